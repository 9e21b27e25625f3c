#!/usr/bin/env python3
"""A worker for Lathe that signs and proves with leanVM, through its published Python bindings (py-lean-pq).

It speaks worker protocol 2 (docs/worker_protocol.md) on standard input and output. One process serves one purpose.

What leanVM's aggregates do not say is checked here: a proof counts for a statement only if its claims are exactly the
keys and messages that the node states. Messages are hash tree roots of containers that hold their slot, so a claim is
about a slot although it does not name it.
"""

import os
import queue
import struct
import sys
import threading

PROTOCOL_VERSION = 2
NAME, VERSION, SCHEME = "lean-pq", "0.7.0", "lean-pq"
KEY_BYTES, SIGNATURE_BYTES = 32, 2404
MAX_FRAME_BYTES = 24 << 20
MAX_TEXT_BYTES = 1024
# leanVM folds up to sixteen proofs; more than a thousand signatures take more memory than small machines have.
MAX_SIGNERS, MAX_CHILDREN, MAX_COMPONENTS = 1024, 16, 9
MEMORY_BYTES = 24 << 30

HELLO, SET_UP, CANCEL = 0x01, 0x02, 0x03
GENERATE_KEY, PREPARE_KEY, SIGN = 0x10, 0x11, 0x12
VERIFY_SIGNATURES = 0x20
AGGREGATE, MERGE, VERIFY_SINGLE, VERIFY_MULTI, SPLIT = 0x30, 0x31, 0x32, 0x33, 0x34
ESTIMATE = 0x40
DONE, HELLO_ANSWER, INVALID, UNSUPPORTED, FAILED, CANCELLED = 0x80, 0x81, 0x82, 0x83, 0x84, 0x85

# Milliseconds, measured on two cores with AVX2, until the node has measured its own: so many signatures in one flat
# proof, and a merge.
FLAT_MS = [(16, 600), (64, 1450), (256, 5200), (1024, 21000)]
MERGE_MS = 3100


class Invalid(Exception):
    """The proof or the signatures are at fault."""


class Unsupported(Exception):
    """leanVM cannot do that."""


class Reader:
    """Takes a message apart."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        end = self.at + count
        if end > len(self.data):
            raise ValueError("the message ends too early")
        taken, self.at = self.data[self.at : end], end
        return taken

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def bytes(self):
        return self.take(self.u32())

    def list(self, item):
        return [item() for _ in range(self.u32())]

    def statement(self):
        message, slot, keys = self.take(32), self.u64(), self.bytes()
        if len(keys) % KEY_BYTES:
            raise Invalid(f"{len(keys)} bytes are no keys of {KEY_BYTES}")
        return message, slot, [keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)]

    def evidence(self):
        return self.statement(), self.bytes()


def text(kind, why):
    data = str(why).encode()[:MAX_TEXT_BYTES]
    return struct.pack("<BI", kind, len(data)) + data


def done(data=b""):
    return struct.pack("<BI", DONE, len(data)) + data


def hello():
    body = struct.pack("<BI", HELLO_ANSWER, PROTOCOL_VERSION)
    for name in (NAME, VERSION, SCHEME):
        body += struct.pack("<I", len(name)) + name.encode()
    body += struct.pack("<6I", KEY_BYTES, SIGNATURE_BYTES, MAX_SIGNERS, MAX_CHILDREN, MAX_COMPONENTS, 1)
    # Merges signatures as they are; takes nothing out of proofs; signs; checks signatures; estimates.
    confined = int(os.environ.get("LATHE_WORKER_CONFINED") == "1")
    return body + bytes([1, 0, 1, 1, 1, confined]) + struct.pack("<Q", MEMORY_BYTES)


def triples(evidence):
    """(key, message, signature) for each key of a statement."""
    (message, _, keys), data = evidence
    if len(data) != len(keys) * SIGNATURE_BYTES:
        raise Invalid("keys and signatures differ in number")
    signatures = [data[at : at + SIGNATURE_BYTES] for at in range(0, len(data), SIGNATURE_BYTES)]
    return [(key, message, signature) for key, signature in zip(keys, signatures)]


def claims_of(statements):
    return sorted((key, message) for message, _, keys in statements for key in keys)


class Worker:
    """The operations, by the number of their request."""

    def __init__(self, lean):
        self.lean, self.keys, self.at_leaf = lean, {}, {}

    def verified(self, proof, statements):
        """The proof, if it shows exactly these statements."""
        try:
            aggregate = self.lean.Aggregate.from_bytes(proof)
        except self.lean.LeanPqError as error:
            raise Invalid(error) from error
        shown = sorted((bytes(key), bytes(message)) for key, message in aggregate.xmss_claims)
        # A key may stand in a proof once or in each of its parts; what counts is which claims there are.
        if sorted(set(shown)) != sorted(set(claims_of(statements))) or aggregate.sphincs_claims:
            raise Invalid("the proof shows something else")
        return aggregate

    def key(self, secret):
        if secret not in self.keys:
            self.keys[secret] = self.lean.XmssSecretKey.from_bytes(secret)
        return self.keys[secret]

    def perform(self, kind, reader):
        if kind == GENERATE_KEY:
            key = self.lean.XmssSecretKey.from_seed(reader.bytes())
            public, secret = key.public_key, key.to_bytes()
            return struct.pack("<I", len(public)) + public + struct.pack("<I", len(secret)) + secret
        if kind == PREPARE_KEY:
            secret, leaf = reader.bytes(), reader.u64()
            self.key(secret).prepare(leaf)
            return b""
        if kind == SIGN:
            secret, leaf, message = reader.bytes(), reader.u64(), reader.take(32)
            return self.key(secret).sign(message, leaf)
        if kind == VERIFY_SIGNATURES:
            return bytes(reader.list(lambda: self.check(reader)))
        if kind == AGGREGATE:
            raw = triples(reader.evidence())
            children = [self.verified(proof, [it]) for it, proof in reader.list(reader.evidence)]
            return self.lean.aggregate(children, raw).to_bytes()
        if kind == MERGE:
            raw, children = [], []
            for is_signatures, (statement, data) in reader.list(lambda: (reader.u8(), reader.evidence())):
                if is_signatures:
                    raw += triples((statement, data))
                else:
                    children.append(self.verified(data, [statement]))
            return self.lean.aggregate(children, raw).to_bytes()
        if kind == VERIFY_SINGLE:
            statement, proof = reader.evidence()
            self.verified(proof, [statement])
            return b""
        if kind == VERIFY_MULTI:
            statements, proof = reader.list(reader.statement), reader.bytes()
            self.verified(proof, statements)
            return b""
        if kind == ESTIMATE:
            is_merge, signatures, proofs = reader.u8(), reader.u32(), reader.u32()
            millis = next((ms for most, ms in FLAT_MS if signatures <= most), FLAT_MS[-1][1])
            if proofs:
                millis += MERGE_MS + (proofs - 1) * 1000
            return struct.pack("<Q", millis)
        raise Unsupported("leanVM takes no component out of a proof" if kind == SPLIT else f"request {kind}")

    def check(self, reader):
        key, _, message, signature = reader.bytes(), reader.u64(), reader.take(32), reader.bytes()
        try:
            self.lean.xmss_verify(key, message, signature)
            return 1
        except self.lean.LeanPqError:
            return 0


def answer(worker, kind, reader):
    try:
        return done(worker.perform(kind, reader))
    except Invalid as error:
        return text(INVALID, error)
    except Unsupported as error:
        return text(UNSUPPORTED, error)
    except BaseException as error:  # A panic of the bindings is not an Exception.
        looks = kind in (VERIFY_SINGLE, VERIFY_MULTI)
        return text(INVALID if looks else FAILED, f"{type(error).__name__}: {error}")


def read_exactly(stream, count):
    data = b""
    while len(data) < count:
        part = stream.read(count - len(data))
        if not part:
            os._exit(0)  # The node has gone, whatever leanVM is doing.
        data += part
    return data


def listen(stream, requests, cancelled):
    """Reads requests, so that one that was cancelled before its turn costs nothing."""
    while True:
        length = struct.unpack("<I", read_exactly(stream, 4))[0]
        if length > MAX_FRAME_BYTES:
            os._exit(1)
        reader = Reader(read_exactly(stream, length))
        request, kind = reader.u32(), reader.u8()
        if kind == CANCEL:
            cancelled.add(reader.u32())
        else:
            requests.put((request, kind, reader))


def main():
    # What the bindings print must not look like an answer.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    requests, cancelled, worker = queue.Queue(), set(), None
    threading.Thread(target=listen, args=(sys.stdin.buffer, requests, cancelled), daemon=True).start()
    while True:
        request, kind, reader = requests.get()
        if kind == HELLO:
            body = hello()
        elif kind == SET_UP:
            purpose = reader.u32()
            try:
                import py_lean_pq as lean

                if lean.__version__ != VERSION:
                    raise RuntimeError(f"py-lean-pq {lean.__version__} is installed, this worker is for {VERSION}")
                if purpose != 3:
                    lean.setup()
                worker, body = Worker(lean), done()
            except BaseException as error:
                body = text(FAILED, f"leanVM cannot be set up: {error}; run make lean-pq")
        elif request in cancelled:
            cancelled.discard(request)
            body = bytes([CANCELLED])
        elif worker is None:
            body = text(FAILED, "it is not set up")
        else:
            body = answer(worker, kind, reader)
        frame = struct.pack("<II", len(body) + 4, request) + body
        while frame:
            frame = frame[answers.write(frame) :]


if __name__ == "__main__":
    main()
