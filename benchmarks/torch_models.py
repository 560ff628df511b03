"""The networks of the GPU benchmarks as PyTorch modules with example inputs, on the CPU in fp32."""
# PyTorch is no dependency of ours, the tests' included: type checkers may not find it.
# pyright: reportMissingImports=false, reportUntypedBaseClass=false, reportUntypedFunctionDecorator=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torchvision.models
import transformers

Built = tuple[torch.nn.Module, tuple[torch.Tensor, ...]]


class Output(torch.nn.Module):
    """A Hugging Face model that takes token ids and gives one named output."""

    def __init__(self, model: torch.nn.Module, field: str, **options: Any) -> None:
        super().__init__()
        self.model, self.field, self.options = model, field, options

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return getattr(self.model(input_ids=ids, **self.options), self.field)


class Recurrent(torch.nn.Module):
    """Two bidirectional layers of 512 units and a projection."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.layers = getattr(torch.nn, kind)(256, 512, num_layers=2, bidirectional=True)
        self.projection = torch.nn.Linear(1024, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.projection(self.layers(x)[0])


def vision(name: str, side: int = 224, **options: Any) -> Callable[..., Built]:
    def build(batch: int) -> Built:
        model = torchvision.models.get_model(name, weights=None, **options)
        return model, (torch.randn(batch, 3, side, side),)

    return build


def bert(hidden: int, layers: int, heads: int, inner: int) -> Callable[..., Built]:
    def build(batch: int, length: int) -> Built:
        config = transformers.BertConfig(
            hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner
        )
        model = transformers.BertModel(config, add_pooling_layer=False)
        return Output(model, "last_hidden_state"), (torch.randint(0, 30000, (batch, length)),)

    return build


def gpt2(batch: int, length: int) -> Built:
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config())
    return Output(model, "logits", use_cache=False), (torch.randint(0, 50000, (batch, length)),)


def t5_encoder(batch: int, length: int) -> Built:
    config = transformers.T5Config(d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8)
    return Output(transformers.T5EncoderModel(config), "last_hidden_state"), (torch.randint(0, 32000, (batch, length)),)


def recurrent(kind: str) -> Callable[..., Built]:
    return lambda batch, time: (Recurrent(kind), (torch.randn(time, batch, 256),))


BUILDERS: dict[str, Callable[..., Built]] = {
    "resnet50": vision("resnet50"),
    "efficientnet_b0": vision("efficientnet_b0"),
    "mobilenet_v3_large": vision("mobilenet_v3_large"),
    "densenet121": vision("densenet121"),
    "inception_v3": vision("inception_v3", 299, init_weights=False, aux_logits=True),
    "vit_b_16": vision("vit_b_16"),
    "bert_base": bert(768, 12, 12, 3072),
    "bert_large": bert(1024, 24, 16, 4096),
    "gpt2": gpt2,
    "t5_small_enc": t5_encoder,
    "lstm": recurrent("LSTM"),
    "gru": recurrent("GRU"),
}


def build(case: str) -> Built:
    """The network of a case such as `resnet50@1` or `bert_base@1,128` (batch, then length), in evaluation mode."""
    name, _, sizes = case.partition("@")
    torch.manual_seed(0)
    model, inputs = BUILDERS[name](*map(int, sizes.split(",")))
    give_every_layer_a_voice(model, inputs)
    return model.eval(), inputs


def give_every_layer_a_voice(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    """Make outputs depend on inputs, so that comparing them means something.

    Batch norms get the statistics of random data, without which an untrained net's activations vanish, and weights
    that start at zero random values.
    """
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and not module.weight.any():
            torch.nn.init.normal_(module.weight, std=0.02)
    for norm in norms:
        norm.momentum = 1.0
    if norms:
        with torch.no_grad():
            model.train()(torch.randn(4, *inputs[0].shape[1:]))
