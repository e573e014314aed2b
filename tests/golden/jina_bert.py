"""Jina-BERT in plain PyTorch, written from the papers: transformers has no class for it.

Günther et al. 2023 (Jina Embeddings 2): BERT without positions, ALiBi to both sides (Press, Smith, Lewis 2022) and a gated
feed-forward (Shazeer 2020). The names of the tensors are those of `jinaai/jina-embeddings-v2-base-en`, or with `for_code` of
`jina-embeddings-v2-base-code`, which normalises queries and keys, and the sum of input and attention a second time.
"""

import math
import types

import torch
from torch import nn


class JinaConfig:
    """The fields of that model's config.json that matter."""

    is_encoder_decoder = False

    def __init__(self, **fields):
        self.__dict__.update(
            dict(
                model_type="bert", position_embedding_type="alibi", hidden_act="gelu", layer_norm_eps=1e-12,
                type_vocab_size=2, pad_token_id=0,
            )
        )
        self.__dict__.update(fields)

    def to_dict(self):
        return dict(self.__dict__)


def slopes(n_heads):
    """Of ALiBi, as its authors give them in code."""

    def powers(n):
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start * start**i for i in range(n)]

    if math.log2(n_heads).is_integer():
        return powers(n_heads)
    below = 2 ** math.floor(math.log2(n_heads))
    return powers(below) + powers(2 * below)[0::2][: n_heads - below]


class Node(nn.Module):
    """A place in the tree of names."""

    def __init__(this, /, **children):
        super().__init__()
        for name, child in children.items():
            this.add_module(name, child)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        norm = lambda: nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.attention = Node(
            self=Node(query=nn.Linear(width, width), key=nn.Linear(width, width), value=nn.Linear(width, width)),
            output=Node(dense=nn.Linear(width, width), LayerNorm=norm()),
        )
        self.mlp = Node(gated_layers=nn.Linear(width, 2 * inner, bias=False), wo=nn.Linear(inner, width), layernorm=norm())
        self.n_heads = config.num_attention_heads
        self.act = {"geglu": nn.functional.gelu, "reglu": nn.functional.relu}[config.feed_forward_type]

    def parts(self, x):
        own = getattr(self.attention, "self")
        return own.query(x), own.key(x), own.value(x)

    def attend(self, x):
        n, width = x.shape
        q, k, v = (part.view(n, self.n_heads, -1).transpose(0, 1) for part in self.parts(x))
        places = torch.arange(n)
        distance = (places[:, None] - places[None, :]).abs()
        scores = q @ k.transpose(1, 2) / math.sqrt(width // self.n_heads)
        scores = scores - torch.tensor(slopes(self.n_heads))[:, None, None] * distance
        gathered = (scores.softmax(-1) @ v).transpose(0, 1).reshape(n, width)
        return self.attention.output.LayerNorm(x + self.attention.output.dense(gathered))

    def forward(self, x):
        x = self.attend(x)
        gate, up = self.mlp.gated_layers(x).chunk(2, dim=-1)
        return self.mlp.layernorm(x + self.mlp.wo(self.act(gate) * up))


class LayerForCode(Layer):
    def __init__(self, config):
        super().__init__(config)
        width, inner = config.hidden_size, config.intermediate_size
        norm = lambda: nn.LayerNorm(width, eps=config.layer_norm_eps)
        own = getattr(self.attention, "self")
        own.layer_norm_q, own.layer_norm_k = norm(), norm()
        self.mlp = Node(up_gated_layer=nn.Linear(width, 2 * inner, bias=False), down_layer=nn.Linear(inner, width))
        self.layer_norm_1, self.layer_norm_2 = norm(), norm()

    def parts(self, x):
        own = getattr(self.attention, "self")
        return own.layer_norm_q(own.query(x)), own.layer_norm_k(own.key(x)), own.value(x)

    def forward(self, x):
        x = self.layer_norm_1(x + self.attend(x))
        up, gate = self.mlp.up_gated_layer(x).chunk(2, dim=-1)
        return self.layer_norm_2(x + self.mlp.down_layer(up * self.act(gate)))


class JinaBert(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        width = config.hidden_size
        layer = LayerForCode if getattr(config, "for_code", False) else Layer
        self.embeddings = Node(
            word_embeddings=nn.Embedding(config.vocab_size, width),
            token_type_embeddings=nn.Embedding(config.type_vocab_size, width),
            LayerNorm=nn.LayerNorm(width, eps=config.layer_norm_eps),
        )
        self.encoder = Node(layer=nn.ModuleList([layer(config) for _ in range(config.num_hidden_layers)]))

    def forward(self, input_ids, attention_mask):
        assert attention_mask.all() and len(input_ids) == 1, "one sequence without padding"
        tables = self.embeddings
        x = tables.LayerNorm(tables.word_embeddings(input_ids[0]) + tables.token_type_embeddings.weight[0])
        for layer in self.encoder.layer:
            x = layer(x)
        return types.SimpleNamespace(last_hidden_state=x[None])
