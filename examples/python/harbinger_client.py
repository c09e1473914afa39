#!/usr/bin/env python3
"""harbinger_client.py CENTRAL VOLUME INDEX put KEY VALUE | cas KEY EXPECTED VALUE | erase KEY | get KEY | scan [FROM] | watch [EPOCH:SEQ]
A client after docs/PROTOCOL.md. CENTRAL is the control endpoint, e.g. tcp://127.0.0.1:7400; INDEX is the partition within
the volume (Harbinger's own clients take xxh3-64(key) mod the volume's number of partitions)."""
import sys, time, uuid
import msgpack, zmq  # Debian: python3-msgpack, python3-zmq

RETRIED = {"not_primary", "unknown_partition", "lease_expired", "unavailable", "overloaded", "timeout"}

class HarbingerError(Exception):
    code = property(lambda self: self.args[0])

class Client:
    def __init__(self, central):
        self.context, self.central, self.sockets, self.last_id, self.map = zmq.Context(), central, {}, 0, None
        self.name, self.last_request = uuid.uuid4().hex, 0

    def call(self, endpoint, kind, body, timeout_s=1.0):
        if endpoint not in self.sockets:
            self.sockets[endpoint] = self.context.socket(zmq.DEALER)
            self.sockets[endpoint].linger = 0
            self.sockets[endpoint].connect(endpoint)
        socket, self.last_id, until = self.sockets[endpoint], self.last_id + 1, time.monotonic() + timeout_s
        socket.send_multipart([msgpack.packb(["HB", 2, kind, self.last_id]), msgpack.packb(body)])
        while (left := until - time.monotonic()) > 0 and socket.poll(left * 1000):
            header, reply = (msgpack.unpackb(part) for part in socket.recv_multipart())
            if header[3] not in (self.last_id, 0):
                continue  # the late answer to a request that was given up
            if header[2] == "error":
                raise HarbingerError(reply["code"], reply["detail"])
            return reply
        raise HarbingerError("timeout", f"{endpoint} did not answer {kind}")

    def ask_primary(self, volume, index, kind, body, total_s=10.0):
        until = time.monotonic() + total_s
        while True:
            try:
                self.map = self.map or self.call(self.central, "map.get", {})
                number = {v["volume"]: v["number"] for v in self.map["volumes"]}[volume]
                row = {p["partition"]: p for p in self.map["partitions"]}[number << 32 | index]
                endpoint = {n["node"]: n["endpoint"] for n in self.map["nodes"]}.get(row["primary"])
                if endpoint:
                    return self.call(endpoint, kind, {"partition": row["partition"], **body})
                raise HarbingerError("unavailable", "the partition has no primary now")
            except HarbingerError as error:
                if error.code not in RETRIED or time.monotonic() > until:
                    raise
                self.map = time.sleep(0.05)  # None: fetched again

    def put(self, volume, index, op, conditions=()):
        self.last_request += 1  # one number for all attempts: a put whose answer was lost is not applied again
        body = {"ops": [op], "conditions": list(conditions), "client": self.name, "request": self.last_request}
        return self.ask_primary(volume, index, "client.put", body)["version"]

    def watch(self, volume, index, after, wait_s=0.5):
        """Every committed change after the version, and for ever what comes: pairs of a version and operations. Whoever
        keeps the version of the last pair can go on from there: nothing is missed, nothing comes twice."""
        while True:
            body = {"after": after, "bytes_max": 0, "wait_ms": int(wait_s * 1000)}
            reply = self.ask_primary(volume, index, "client.watch", body, total_s=60.0)
            yield from ((change["version"], change["ops"]) for change in reply["changes"])
            after = reply["next"]

def main(client, volume, index, command, key="", value="", new_value=""):
    if command in ("put", "erase"):
        op = {"op": command, "key": key.encode(), "value": value.encode()}
        print("version %d:%d" % tuple(client.put(volume, index, op)))
    elif command == "cas":
        op = {"op": "put", "key": key.encode(), "value": new_value.encode()}
        is_expected = {"condition": "equals", "key": key.encode(), "value": value.encode()}
        print("version %d:%d" % tuple(client.put(volume, index, op, [is_expected])))
    elif command == "get":
        reply = client.ask_primary(volume, index, "client.get", {"key": key.encode()})
        print(reply["value"].decode() if reply["found"] else "not found")
    elif command == "watch":
        now = client.ask_primary(volume, index, "client.scan", {"from": b"", "limit": 1})["version"]
        for version, ops in client.watch(volume, index, [int(part) for part in key.split(":")] if key else now):
            for op in ops:
                print("%d:%d" % tuple(version), op["op"], op["key"].decode(), op["value"].decode(), flush=True)
    page = {"more": command == "scan", "next": key.encode()}
    while page["more"]:
        page = client.ask_primary(volume, index, "client.scan", {"from": page["next"], "limit": 1000})
        print("".join(f"{row['key'].decode()} {row['value'].decode()}\n" for row in page["rows"]), end="")

if __name__ == "__main__":
    if len(sys.argv) < 5 or sys.argv[4] not in ("put", "cas", "erase", "get", "scan", "watch"):
        sys.exit(__doc__)
    try:
        main(Client(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
    except (HarbingerError, KeyError) as error:
        sys.exit(f"harbinger_client: {error!r}")
    except KeyboardInterrupt:
        pass  # how a watch ends
