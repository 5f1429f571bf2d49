"""What a training could take: this computer's processor, and cards as nvidia-smi lists them."""

from __future__ import annotations

from fractureai.server.devices import devices, parse_card


def test_the_processor_is_always_there_with_its_memory():
    last = devices()[-1]
    assert (last["id"], last["kind"]) in (("cpu", "cpu"), ("mps", "mps"))
    assert 0 < last["free_bytes"] <= last["total_bytes"]


def test_a_card_is_named_as_training_takes_it():
    card = parse_card("1, NVIDIA H200, 142000, 143771")
    assert card == {
        "id": "cuda:1",
        "name": "NVIDIA H200",
        "kind": "cuda",
        "free_bytes": 142000 << 20,
        "total_bytes": 143771 << 20,
    }
    assert parse_card("No devices were found") is None
    assert parse_card("0, A card, [N/A], [N/A]") is None
