#!/usr/bin/python3
"""messages.py HELPER - every message of agent.v1, ours against Google's, field by field.

First the .proto files are held against CONTRACT, which was written down from the service itself.  Then
each message is filled with Google's protobuf: HELPER (tests/peers/messages.c) reads that with
protobuf-c and tells what it found, which must be what was put in; what protobuf-c packs of it must be
Google's encoding, byte for byte.
"""
import struct
import subprocess
import sys

import wire

# message: "number name type, ..."; a type in [] is repeated, one after ? belongs to a oneof.
CONTRACT = {
    "PlatformInfo": "1 os str, 2 arch str, 3 os_version str, 4 ip_addresses [str]",
    "AgentInfo": "1 agent_id str, 2 version str, 3 hostname str",
    "Tag": "1 key str, 2 value str",
    "RegisterRequest": "1 org_token str, 2 public_key str, 3 platform_info PlatformInfo, 4 agent_info AgentInfo, "
                       "5 tags [Tag], 6 csr_der bytes",
    "RegisterResponse": "1 agent_id str, 2 status str, 3 message str, 4 jwt_token str, 5 client_cert_pem str, "
                        "6 agent_ca_cert_pem str, 7 client_cert_not_after_unix i64",
    "DiskInfo": "1 mount_point str, 2 device str, 3 fs_type str, 4 total_bytes u64, 5 used_bytes u64, 6 free_bytes u64, "
                "7 percent_used float",
    "NetworkInterface": "1 name str, 2 ip_addresses [str], 3 mac_address str, 4 is_up bool",
    "CheckDefinition": "1 check_id str, 2 check_type str, 3 config_json str, 4 interval_seconds i32",
    "CheckResult": "1 check_id str, 2 status str, 3 output str, 4 duration_ms i32, 5 ran_at_unix i64",
    "AgentQuery": "1 query_id str, 2 query_type str",
    "PortInfo": "1 port i32, 2 protocol str, 3 process str",
    "ServiceInfo": "1 name str, 2 load_state str, 3 active_sub str",
    "AgentQueryResult": "1 query_id str, 2 query_type str, 3 status str, 4 error str, 5 ports [PortInfo], "
                        "6 services [ServiceInfo]",
    "AgentTask": "1 task_id str, 2 task_type str, 3 config_json str",
    "AgentTaskProgress": "1 task_id str, 2 output_chunk str",
    "AgentTaskResult": "1 task_id str, 2 task_type str, 3 exit_code i32, 4 result_json str, 5 error str",
    "HeartbeatRequest": "1 agent_id str, 2 cpu_percent float, 3 memory_percent float, 4 disk_percent float, "
                        "5 uptime_seconds i64, 6 timestamp_unix i64, 7 agent_version str, 8 os_version str, "
                        "9 disks [DiskInfo], 10 network_interfaces [NetworkInterface], 11 os str, 12 arch str, "
                        "13 check_results [CheckResult], 14 query_results [AgentQueryResult], "
                        "15 task_progress [AgentTaskProgress], 16 task_results [AgentTaskResult], "
                        "17 pinned_server_cert_fingerprint str",
    "HeartbeatResponse": "1 ok bool, 2 command str, 3 command_payload bytes, 4 latest_version str, 5 update_available bool, "
                         "6 download_url str, 7 checks [CheckDefinition], 8 pending_queries [AgentQuery], "
                         "9 pending_task AgentTask, 10 cancel_task_ids [str], "
                         "11 pending_terminal_sessions [TerminalSessionRequest], 12 cancel_terminal_sessions [str], "
                         "13 pending_client_cert_pem str, 14 pending_client_cert_not_after_unix i64, "
                         "15 agent_ca_cert_pem str, 16 pending_server_cert_pem str",
    "TerminalSessionRequest": "1 session_id str, 2 cols u32, 3 rows u32, 4 username str, 5 direct_access bool",
    "TerminalResizeMsg": "1 cols u32, 2 rows u32",
    "TerminalClosedMsg": "1 exit_code i32",
    "TerminalAgentMessage": "1 session_id str, 2 output ?bytes, 3 closed ?TerminalClosedMsg",
    "TerminalServerMessage": "1 session_id str, 2 input ?bytes, 3 resize ?TerminalResizeMsg, 4 close ?bool",
    "SoftwareInventoryChunk": "1 scan_id str, 2 agent_id str, 3 source str, 4 chunk_index i32, 5 is_last bool, "
                              "6 packages [SoftwarePackage]",
    "SoftwarePackage": "1 name str, 2 version str, 3 architecture str, 4 publisher str, 5 install_date_unix i64",
    "SoftwareInventoryAck": "1 received i32",
    "RenewCertificateRequest": "1 agent_id str, 2 csr_der bytes",
    "RenewCertificateResponse": "1 client_cert_pem str, 2 client_cert_not_after_unix i64, 3 agent_ca_cert_pem str",
}
TYPES = {9: "str", 12: "bytes", 8: "bool", 2: "float", 5: "i32", 3: "i64", 13: "u32", 4: "u64"}
KINDS = {9: "string", 12: "bytes", 8: "bool", 2: "float", 5: "int32", 3: "int64", 13: "uint32", 4: "uint64"}
EXTREMES = {5: (-2**31, 2**31 - 1), 3: (-2**63, 2**63 - 1), 13: (1, 2**32 - 1), 4: (1, 2**64 - 1)}
MESSAGE = 11


def declared(descriptor):
    parts = []
    for f in sorted(descriptor.fields, key=lambda f: f.number):
        name = f.message_type.name if f.type == MESSAGE else TYPES[f.type]
        repeated = f.label == f.LABEL_REPEATED
        parts.append(f"{f.number} {f.name} " + (f"[{name}]" if repeated else "?" + name if f.containing_oneof else name))
    return ", ".join(parts)


class Filler:
    """Distinct values, so that two fields that were swapped show; `extreme` picks the types' ends."""

    def __init__(self, extreme):
        self.extreme, self.n = extreme, 0

    def scalar(self, f):
        self.n += 1
        if f.type == 9:
            return f"{f.name}-{self.n} \u00e9\u4e16" + "x" * (200 if self.extreme else 0)
        if f.type == 12:
            return bytes((self.n + i) % 256 for i in range(300))
        if f.type == 8:
            return True
        if f.type == 2:
            return struct.unpack("<f", struct.pack("<f", -3.4e38 if self.extreme else self.n + 0.3))[0]
        return EXTREMES[f.type][self.n % 2] if self.extreme else self.n * 1000 + 7

    def fill(self, m, chosen=None):
        for f in m.DESCRIPTOR.fields:
            if f.containing_oneof and chosen and f.name != chosen:
                continue
            for _ in range(3 if f.label == f.LABEL_REPEATED else 1):
                if f.label == f.LABEL_REPEATED and f.type == MESSAGE:
                    self.fill(getattr(m, f.name).add())
                elif f.label == f.LABEL_REPEATED:
                    getattr(m, f.name).append(self.scalar(f))
                elif f.type == MESSAGE:
                    self.fill(getattr(m, f.name))
                else:
                    setattr(m, f.name, self.scalar(f))
        return m


def show(f, value):
    if f.type == 9:
        value = value.encode().hex()
    elif f.type == 12:
        value = value.hex()
    elif f.type == 2:
        value = float(value)
    else:
        value = int(value)
    return f"{KINDS[f.type]} {value}"


def told(m, prefix=""):
    """What the helper is to print: each value with the numbers that lead to it."""
    lines = []
    for f in sorted(m.DESCRIPTOR.fields, key=lambda f: f.number):
        path = f"{prefix}{f.number}"
        if f.label == f.LABEL_REPEATED:
            values = list(getattr(m, f.name))
        elif f.type == MESSAGE or f.containing_oneof:
            values = [getattr(m, f.name)] if m.HasField(f.name) else []
        else:
            values = [getattr(m, f.name)]
        for v in values:
            lines += told(v, path + ".") if f.type == MESSAGE else [f"{path} {show(f, v)}"]
    return lines


def normal(line):
    path, kind, *value = line.split(" ")
    return f"{path} float {float.fromhex(value[0])}" if kind == "float" else line.rstrip("\n")


def through(helper, name, data):
    r = subprocess.run([helper, name], input=data, capture_output=True)
    return r.returncode, r.stdout, [normal(x) for x in r.stderr.decode().splitlines()] if not r.returncode else r.stderr


def cases(make):
    yield "empty", make()
    oneofs = [f.name for f in make.DESCRIPTOR.fields if f.containing_oneof]
    for chosen in oneofs or [None]:
        for extreme in (False, True):
            yield f"{chosen or 'full'}{', extreme' if extreme else ''}", Filler(extreme).fill(make(), chosen)


def main():
    pb, failures = wire.Messages(), 0
    names = sorted(n for d in pb.files for n in d.message_types_by_name)

    def say(good, what, detail=""):
        nonlocal failures
        failures += not good
        print(("ok" if good else "not ok") + f" - {what}" + (f": {detail}" if not good else ""))
    say(names == sorted(CONTRACT), "the messages are those of the contract", set(names) ^ set(CONTRACT))
    for name in names:
        make = getattr(pb, name)
        wrong = [] if declared(make.DESCRIPTOR) == CONTRACT.get(name) else [f"declared as {declared(make.DESCRIPTOR)}"]
        for what, m in cases(make):
            data = m.SerializeToString()
            code, packed, lines = through(sys.argv[1], name, data)
            if code or lines != told(m):
                wrong.append(f"{what}: protobuf-c reads it otherwise")
            if packed != data or make.FromString(packed) != m:
                wrong.append(f"{what}: protobuf-c writes it otherwise")
            if data and through(sys.argv[1], name, data[:-1])[0] == 0 and make().DESCRIPTOR.fields_by_number:
                wrong.append(f"{what}: cut short it is taken for whole")
        newer = through(sys.argv[1], name, b"\xfa\x3f\x03new" + m.SerializeToString())
        if newer[0] or newer[2] != told(m):
            wrong.append("a field of a later version is not passed over")
        say(not wrong, f"{name}: field by field, both directions", "; ".join(wrong))
    service = next(d.services_by_name["IngestService"] for d in pb.files if d.services_by_name)
    methods = {m.name: (m.input_type.name, m.output_type.name) for m in service.methods}
    say(methods == {k: v[:2] for k, v in wire.METHODS.items()}, "the service has the methods of the contract", methods)
    sys.exit(failures > 0)


main()
