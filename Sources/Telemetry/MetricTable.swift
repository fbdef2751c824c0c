/// Every metric of Apus, one row each. `vllm:` names where the meaning is vLLM's, so that its dashboards, llm-d and the
/// Gateway API inference extension read them as they are; `apus_` names for what is ours.
extension Metric {
    // Router and worker: what runs, what waits, what the KV cache holds.
    package static let requestsRunning = gauge(
        "vllm:num_requests_running", "Sequences in running batches.", labels: ["model_name"])
    package static let requestsWaiting = gauge(
        "vllm:num_requests_waiting", "Sequences in the queue.", labels: ["model_name"])
    package static let kvCacheUsage = gauge(
        "vllm:kv_cache_usage_perc", "Share of KV pages in use by running sequences, 0 to 1.", labels: ["model_name"])
    package static let cacheConfiguration = gauge(
        "vllm:cache_config_info", "Shape of the KV cache; always 1.",
        labels: ["model_name", "block_size", "num_gpu_blocks"])
    package static let promptTokens = counter(
        "vllm:prompt_tokens_total", "Prompt tokens of admitted requests.", labels: ["model_name"])
    package static let generationTokens = counter(
        "vllm:generation_tokens_total", "Tokens generated.", labels: ["model_name"])
    package static let prefixCacheQueries = counter(
        "vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.", labels: ["model_name"])
    package static let prefixCacheHits = counter(
        "vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.", labels: ["model_name"])
    package static let drafts = counter(
        "vllm:spec_decode_num_drafts_total", "Drafts computed ahead.", labels: ["model_name"])
    package static let draftTokens = counter(
        "vllm:spec_decode_num_draft_tokens_total", "Tokens of drafts.", labels: ["model_name"])
    package static let acceptedDraftTokens = counter(
        "vllm:spec_decode_num_accepted_tokens_total", "Tokens of drafts that proved right.", labels: ["model_name"])
    package static let preemptions = counter(
        "vllm:num_preemptions_total", "Sequences a worker gave back.", labels: ["model_name"])
    package static let iterationTokens = histogram(
        "vllm:iteration_tokens_total", "Tokens computed in one step.", buckets: Buckets.stepTokens,
        labels: ["model_name"])

    // Router: requests.
    package static let requestsIncoming = counter(
        "vllm:num_incoming_requests_total", "Requests accepted into the queue.", labels: ["model_name"])
    package static let requestSuccess = counter(
        "vllm:request_success_total", "Choices that ended, by reason.", labels: ["model_name", "finished_reason"])
    package static let timeToFirstToken = histogram(
        "vllm:time_to_first_token_seconds", "From submission to a request's first token.",
        buckets: Buckets.timeToFirstToken, labels: ["model_name"])
    package static let interTokenLatency = histogram(
        "vllm:inter_token_latency_seconds", "Between consecutive tokens of a sequence.", buckets: Buckets.interToken,
        labels: ["model_name"])
    package static let timePerOutputToken = histogram(
        "vllm:request_time_per_output_token_seconds", "Mean time between a request's tokens.",
        buckets: Buckets.interToken, labels: ["model_name"])
    package static let requestLatency = histogram(
        "vllm:e2e_request_latency_seconds", "From submission to the end.", buckets: Buckets.request,
        labels: ["model_name"])
    package static let requestQueueTime = histogram(
        "vllm:request_queue_time_seconds", "From submission to first admission.", buckets: Buckets.request,
        labels: ["model_name"])
    package static let requestPrefillTime = histogram(
        "vllm:request_prefill_time_seconds", "From first admission to the first token.", buckets: Buckets.request,
        labels: ["model_name"])
    package static let requestDecodeTime = histogram(
        "vllm:request_decode_time_seconds", "From the first token to the last.", buckets: Buckets.request,
        labels: ["model_name"])
    package static let requestInferenceTime = histogram(
        "vllm:request_inference_time_seconds", "From first admission to the last token.", buckets: Buckets.request,
        labels: ["model_name"])
    package static let requestPromptTokens = histogram(
        "vllm:request_prompt_tokens", "Prompt length of requests.", buckets: Buckets.tokens, labels: ["model_name"])
    package static let requestGenerationTokens = histogram(
        "vllm:request_generation_tokens", "Output length of requests.", buckets: Buckets.tokens,
        labels: ["model_name"])
    package static let requestMaxGenerationTokens = histogram(
        "vllm:request_max_num_generation_tokens", "Output length of a request's longest choice.",
        buckets: Buckets.tokens, labels: ["model_name"])
    package static let requestMaxTokens = histogram(
        "vllm:request_params_max_tokens", "Output limit that requests asked for.", buckets: Buckets.tokens,
        labels: ["model_name"])
    package static let requestChoices = histogram(
        "vllm:request_params_n", "Choices that requests asked for.", buckets: Buckets.choices,
        labels: ["model_name"])

    // Router: the cluster.
    package static let workers = gauge(
        "apus_workers", "Workers by state.", labels: ["state"])
    package static let workerReady = gauge(
        "vllm:healthy_pods_total", "1 for a worker that takes sequences, 0 for another that is linked.",
        labels: ["server"])
    package static let workerRequestRate = gauge(
        "vllm:current_qps", "Sequences admitted to a worker per second, of late.", labels: ["server"])
    package static let queueTokens = gauge(
        "apus_queue_tokens", "Prompt and expected output tokens waiting in the queue.", labels: ["model_name"])
    package static let queueOldest = gauge(
        "apus_queue_oldest_seconds", "Age of the oldest waiting request.", labels: ["model_name"])
    package static let queueWait = gauge(
        "apus_queue_wait_seconds", "How long what waits in the queue will wait, at the rate of the last seconds.",
        labels: ["model_name"])
    package static let desiredWorkers = gauge(
        "apus_desired_workers", "Workers that a model's requests want: what an autoscaler should set.",
        labels: ["model_name"])
    package static let aliasChoices = counter(
        "apus_alias_choices_total", "Requests that asked for an alias, by the model that was chosen for them.",
        labels: ["alias", "model_name"])
    package static let shadowRequests = counter(
        "apus_shadow_requests_total", "Copies of a model's requests for another one, by what became of them.",
        labels: ["model_name", "shadow", "outcome"])
    package static let objectiveRequests = counter(
        "apus_slo_requests_total",
        "Requests that ended without the client's doing, by whether first token and pace met the objective.",
        labels: ["model_name", "met"])
    package static let objectiveAttainment = gauge(
        "apus_slo_attainment", "Share of requests of the last five minutes that met the objective, 0 to 1.",
        labels: ["model_name"])
    package static let requestsRejected = counter(
        "apus_requests_rejected_total", "Requests refused before the queue, by reason.", labels: ["reason"])
    package static let requestsFailed = counter(
        "apus_requests_failed_total", "Requests that ended without a full answer, by reason.", labels: ["reason"])
    package static let tenantRequests = counter(
        "apus_tenant_requests_total",
        "Requests accepted into the queue, by tenant; the first hundred tenants have names, the rest are other.",
        labels: ["tenant"])
    package static let tenantTokens = counter(
        "apus_tenant_tokens_total", "Tokens of prompts admitted and of answers, by tenant.", labels: ["tenant", "kind"])
    package static let tenantQueueTime = histogram(
        "apus_tenant_queue_seconds", "From submission to first admission, by tenant.", buckets: Buckets.tenantQueue,
        labels: ["tenant"])
    package static let tenantRefusals = counter(
        "apus_tenant_refused_total",
        "Requests refused because the queue was full or slow, or the tenant's limit used up.",
        labels: ["tenant", "reason"])
    package static let sequenceMoves = counter(
        "apus_sequence_moves_total", "Running sequences continued on another worker, by cause.", labels: ["cause"])
    package static let textsRead = counter(
        "apus_texts_read_total", "Texts that became a vector or a score.", labels: ["model_name"])
    package static let workerRestarts = counter(
        "apus_worker_restarts_total", "Local worker processes started again, by cause: exited, or killed because hung.",
        labels: ["cause"])

    package static let workerLossSilence = histogram(
        "apus_worker_loss_silence_seconds", "From the last byte of a worker to when its link was known to be lost.",
        buckets: Buckets.interToken)
    // Router: the KServe v2 endpoints, under the names of Triton's metrics. Times are sums in microseconds.
    package static let inferSuccess = counter(
        "nv_inference_request_success", "v2 requests that were answered.", labels: ["model", "version"])
    package static let inferFailure = counter(
        "nv_inference_request_failure", "v2 requests that failed after they were found valid, by reason.",
        labels: ["model", "version", "reason"])
    package static let inferCount = counter(
        "nv_inference_count", "Sequences generated for v2 requests that were answered.", labels: ["model", "version"])
    package static let inferExecutions = counter(
        "nv_inference_exec_count", "v2 requests that were answered: each is one execution.",
        labels: ["model", "version"])
    package static let inferPending = gauge(
        "nv_inference_pending_request_count", "v2 requests that wait for a worker.", labels: ["model", "version"])
    package static let inferRequestTime = counter(
        "nv_inference_request_duration_us", "From arrival to the end of answered v2 requests.",
        labels: ["model", "version"])
    package static let inferQueueTime = counter(
        "nv_inference_queue_duration_us", "From submission to admission of answered v2 requests.",
        labels: ["model", "version"])
    package static let inferInputTime = counter(
        "nv_inference_compute_input_duration_us", "Reading and tokenizing of answered v2 requests.",
        labels: ["model", "version"])
    package static let inferComputeTime = counter(
        "nv_inference_compute_infer_duration_us", "From admission to the last token of answered v2 requests.",
        labels: ["model", "version"])
    package static let inferOutputTime = counter(
        "nv_inference_compute_output_duration_us", "Writing of answers to v2 requests.", labels: ["model", "version"])
    package static let inferFirstResponse = histogram(
        "nv_inference_first_response_histogram_ms", "From arrival to the first response of streamed v2 requests.",
        buckets: Buckets.firstResponseMilliseconds, labels: ["model", "version"])

    // Worker.
    package static let stepDuration = histogram(
        "apus_step_duration_seconds", "Time one step takes.", buckets: Buckets.interToken, labels: ["model_name"])
    package static let steps = counter("apus_steps_total", "Steps computed.", labels: ["model_name"])
    package static let kvPages = gauge("apus_kv_pages", "KV pages by state.", labels: ["model_name", "state"])
    package static let batchSlots = gauge("apus_batch_slots", "Batch slots by state.", labels: ["model_name", "state"])
    package static let connectedRouters = gauge("apus_connected_routers", "Routers linked to this worker.")

    // Both: HTTP.
    package static let httpRequests = counter(
        "apus_http_requests_total", "HTTP requests answered, by route and status.", labels: ["route", "status"])
    package static let grpcCalls = counter(
        "apus_grpc_calls_total", "Calls of gRPC that clients made, by method and status code.",
        labels: ["method", "code"])
    package static let httpConnections = gauge("apus_http_connections", "Open client connections.")

    // Both: traces.
    package static let spansExported = counter("apus_spans_exported_total", "Spans that a collector took.")
    package static let spansDropped = counter(
        "apus_spans_dropped_total", "Spans that reached no collector, by reason.", labels: ["reason"])
}
