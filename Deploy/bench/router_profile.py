"""Where a router's time goes: samples of `perf record -g` by the stage that was at work."""

import collections
import re
import subprocess

# A sample belongs to the stage of the innermost frame that is of one. Swift names begin with their module.
STAGES = [
    ("sockets: read, write, poll", r"^(do_syscall_64|entry_SYSCALL_64|x64_sys_|__x64_sys_|__GI___libc_(read|write))"),
    ("metrics and log", r"Telemetry\.|Logging\.|Router\.(RequestLog|ModelMetrics|WorkerSeries)"),
    ("parse HTTP", r"HTTP\.(HTTP1RequestParser|HTTP1HeadReader|RequestTarget|RequestBody)"),
    ("decode JSON", r"JSON\.JSONParser"),
    ("render the chat template", r"Text\.(ChatTemplate|Template|Runtime)"),
    ("tokenize", r"Text\.(Tokenizer\.encode|BytePair|SentencePiece|ScalarScan|\(ScalarScan|PreTokenizer|SpecialTokens"
                 r"|VocabularyIndex|PairMerging)"),
    ("schedule", r"Scheduling\."),
    ("link: encode and decode", r"WorkerProtocol\.|SwiftProtobuf\.|HTTP\.GRPC|Router\.(LinkCall|GRPCWorkerLink)"),
    ("link: HTTP/2", r"^nghttp2_|HTTP\.HTTP2"),
    ("journal, detokenize", r"Router\.(ChoiceJournal|TextStream)|Text\.(IncrementalDetokenizer|StopStringFilter"
                            r"|Tokenizer\.bytes)"),
    ("check fields, encode answers", r"API\."),
    ("router: requests and their events", r"Router\."),
    ("encode HTTP", r"HTTP\.(HTTP1Encoder|SessionOutput|HTTP1Exchange)"),
    ("sessions and event loop", r"HTTP\.|NIO"),
]
OTHER = "other"


def demangled(names):
    names = list(names)
    out = subprocess.run(
        ["swift", "demangle", "-compact"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return dict(zip(names, out.splitlines()))


def samples(data):
    """Each sample's frames, innermost first."""
    text = subprocess.run(
        ["perf", "script", "-i", str(data), "-F", "ip,sym"], capture_output=True, text=True, check=True).stdout
    for block in text.split("\n\n"):
        frames = [words[1] for line in block.splitlines() if len(words := line.split(None, 1)) == 2]
        if frames:
            yield frames


def stage_of(name):
    return next((stage for stage, pattern in STAGES if re.search(pattern, name)), None)


def shares(data):
    """By stage: its share of all samples."""
    stacks = list(samples(data))
    names = demangled({frame for frames in stacks for frame in frames})
    stages = {frame: stage_of(name) for frame, name in names.items()}
    counts = collections.Counter(next((stages[f] for f in frames if stages[f]), OTHER) for frames in stacks)
    return {stage: count / len(stacks) for stage, count in counts.most_common()}
