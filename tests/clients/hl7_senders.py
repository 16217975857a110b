"""hl7 and hl7apy send to our MLLP listener: python3 hl7_senders.py HOST PORT.

Hundreds of messages on 50 connections; each must come back with AA and its own control id.
Fails with a traceback at the first one that does not.
"""

import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import hl7
from hl7.client import MLLPClient
from hl7apy.core import Message
from hl7apy.parser import parse_message

CONNECTIONS = 50
MESSAGES = 6


def by_hl7(host, port, connection):
    """The client of python-hl7, which frames and reads answers by itself."""
    with MLLPClient(host, port) as client:
        for number in range(MESSAGES):
            control_id = f"HL7-{connection}-{number}"
            text = "\r".join([
                f"MSH|^~\\&|PYHL7|WEST|VESTA|HERE|20261128093000||ADT^A08|{control_id}|P|2.5",
                f"PID|1||{connection}^^^WEST^MR||Doe^Person{number}||19800101|F",
                f"PV1|1|O|||||||||||||||||V{connection}^^^WEST",
            ])
            answer = hl7.parse(client.send_message(text).decode())
            acknowledgement = answer.segment("MSA")
            assert str(acknowledgement[1]) == "AA", str(answer)
            assert str(acknowledgement[2]) == control_id, str(answer)


def by_hl7apy(host, port, connection):
    """Messages that hl7apy builds and validates; answers that it can parse."""
    with socket.create_connection((host, port)) as stream:
        for number in range(MESSAGES):
            control_id = f"APY-{connection}-{number}"
            message = Message("ADT_A01", version="2.5")
            message.msh.msh_3 = "HL7APY"
            message.msh.msh_4 = "EAST"
            message.msh.msh_9 = "ADT^A01^ADT_A01"
            message.msh.msh_10 = control_id
            message.msh.msh_11 = "P"
            message.evn.evn_2 = "20261128093000"
            message.pid.pid_3 = f"{connection}^^^EAST^MR"
            message.pid.pid_5 = f"Roe^Person{number}"
            message.pv1.pv1_2 = "I"
            message.pv1.pv1_19 = f"E{connection}^^^EAST"
            stream.sendall(message.to_mllp().encode())
            received = b""
            while not received.endswith(b"\x1c\r"):
                piece = stream.recv(4096)
                assert piece, "the connection was closed"
                received += piece
            answer = parse_message(received.strip(b"\x0b\x1c\r").decode(), find_groups=False)
            assert answer.msa.msa_1.value == "AA", received
            assert answer.msa.msa_2.value == control_id, received


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        senders = [by_hl7 if number % 2 else by_hl7apy for number in range(CONNECTIONS)]
        work = [pool.submit(send, host, port, n) for n, send in enumerate(senders)]
        for one in work:
            one.result()
    print("ok")


main()
