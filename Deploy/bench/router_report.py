"""Writes Docs/router.md from .bench/results/routers.json. Measures nothing.

    python3 Deploy/bench/router_report.py
"""

from common import ROOT, load
from report_text import number, paragraph, table

PAGE = ROOT / "Docs/router.md"
HOW = """## Commands

```
make bench-router                            # everything; needs two CPUs, nginx, wrk and root's perf
make bench-router ROUTER_ROUNDS=1
python3 Deploy/bench/router_report.py        # this page again, from .bench/results
apus bench worker MODEL.gguf --name m        # the worker that answers at once; then apus router in front of it
apus bench link --worker-address HOST:PORT   # a worker asked without a router
```

`Deploy/bench/routers.py` says how each router is called, `Deploy/bench/router.lua` what it is asked,
`Deploy/bench/router_profile.py` which function belongs to which stage."""


def main():
    result = load("routers")
    if result is None:
        raise SystemExit("nothing is measured yet: make bench-router")
    rows = result["rows"]
    parts = [*head(result), *requests_table(rows), *waiting_table(result), *streams_table(result), *idle_table(result)]
    if result["profile"]:
        parts += profile_table(result)
    PAGE.write_text("\n\n".join([*parts, HOW]) + "\n")
    print(f"{PAGE.relative_to(ROOT)} is written")


def head(result):
    """With a remark of whoever measured, if one was put into the results by hand."""
    return [
        "# What the router costs",
        "`make bench-router` wrote this page; the commands are at its end.",
        f"- Machine: {result['processor']}; commit {result['commit']}; {result['date']}\n"
        f"- Medians of {result['rounds']} round(s) of {result['seconds']} s, all routers in each round",
        paragraph(f"""
            One router at a time has CPU 0 for itself. wrk and what answers at once share CPU 1: for Apus a real worker
            process whose runtime computes nothing (`apus bench worker`), for the others an nginx that returns a fixed
            answer. Each request is a chat of some 40 tokens, another one each time, with an answer of one token. Apus
            reads it, renders the chat template, tokenizes, schedules, and speaks gRPC to its worker; the others
            forward bytes and read what their policy needs. Log levels are `warning` everywhere, and Apus has the
            build and the environment of its image (optimized once more when it is linked, which saves it 7 %, and
            `GLIBC_TUNABLES`, which saves 5 %). Other processes took
            {result["others_share"]:.0%} of the machine's time meanwhile: rates suffer from that, CPU time a request
            less so.""")] + ([paragraph(result["remark"])] if "remark" in result else [])


def requests_table(rows):
    base = rows["vllm-router"]["many"]
    cells = []
    for name, row in rows.items():
        many = row["many"]
        cells.append([
            name, number(many["rate"]), f"{many['rate'] / base['rate']:.2f}", number(many["cpu_us"]),
            f"{base['cpu_us'] / many['cpu_us']:.2f}"])
    return [
        "## Requests",
        table(["router", "requests/s, 64 connections", "of vllm-router's", "CPU µs each", "requests a CPU-second, of"
               " vllm-router's"], cells, words=1)]


def waiting_table(result):
    cells = []
    for name, row in result["rows"].items():
        cells.append([name] + [
            number(figure) for place in ("together", "one")
            for figure in (row[place]["cpu_us"], row[place]["median_us"], row[place]["median_us"] - row["direct_median_us"])])
    woken, direct = result["woken_median_us"], result["rows"]["nginx"]["direct_median_us"]
    return [
        "## One request at a time",
        table(["router", "all on one CPU: CPU µs", "p50 µs", "of it added µs", "router on its own CPU: CPU µs", "p50 µs",
               "of it added µs"], cells, words=1),
        paragraph(f"""
            Added: less the p50 of what answers at once, asked from CPU 1 without a router between. Apus' worker speaks
            gRPC and is asked by `apus bench link`, over the link that a router has, for one token after a prompt of as
            many. With a router on its own CPU and one request at a time, the CPU that a request comes to is always
            asleep: four times it has to be woken, and each time what computes next finds its caches cold. The nginx that
            answers at once does so in {direct:.0f} µs on the CPU of wrk, and in {woken:.0f} µs on the other one, where
            both have to be woken: a router that computed nothing would add {2 * (woken - direct):.0f} µs. Where all share
            a CPU none sleeps, and what is added is what the router computes, and its system calls.""")]


def streams_table(result):
    streams = result["rows"]["Apus"]["streams"]
    return [
        "## Streams",
        paragraph(f"""
            {result["streams"]} server-sent streams of {result["stream_tokens"]} tokens, each token its own event, on one
            CPU: {streams["tokens_per_s"]:,.0f} tokens/s; {streams["cpu_us_per_token"]:.2f} µs of the router's CPU time a
            token, which is {1e6 / streams["cpu_us_per_token"]:,.0f} tokens/s of a CPU that it has for itself.""")]


def idle_table(result):
    cells = [[name, f"{row['idle_bytes'] / 1024:.1f}"] for name, row in result["rows"].items()]
    return [
        "## Idle connections",
        table(["router", "KiB each"], cells, words=1),
        paragraph(f"""
            Growth of resident memory with {result["idle"]} connections that asked once (GET /v1/models) and wait,
            divided by their number.""")]


def profile_table(result):
    request, token = result["profile"]["request"], result["profile"]["token"]
    apus = result["rows"]["Apus"]
    request_us, token_us = apus["many"]["cpu_us"], apus["streams"]["cpu_us_per_token"]
    cells = [
        [stage, f"{share:.1%}", f"{share * request_us:.1f}", f"{token.get(stage, 0):.1%}",
         f"{token.get(stage, 0) * token_us:.2f}"] for stage, share in request.items()]
    return [
        "## Where the time goes",
        table(["stage", "of a request", "µs", "of a streamed token", "µs"], cells, words=1),
        paragraph("""
            Samples of `perf record`, under 64 connections and under the streams; a sample counts for the innermost
            function that belongs to a stage, with all that it calls. µs are shares of the CPU times above.""")]


if __name__ == "__main__":
    main()
