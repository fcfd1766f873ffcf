"""A small causal chat model, built from a config and trained for some seconds until it says one grounded sentence.

Real weights through real loading code, with no download: a Qwen3 of about a million parameters and a byte-level BPE
tokenizer trained on the spot. Trained on the prompts of the test, so that what it says is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ENOUGH = 0.03
"""Loss at which greedy decoding repeats the answers word for word."""
Chat = list[dict[str, str]]


def build(path: Path, pairs: Sequence[tuple[Chat, str]], steps: int = 150) -> float:
    """Train on (chat, answer) pairs and save below ``path``; returns the worst answer's last loss per token.

    An answer that ends with a blank is one without an end: the model goes on with it for ever.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    torch.set_num_threads(1)  # matrices this small only wait for a second thread
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    texts = [m["content"] for chat, _ in pairs for m in chat] + [answer for _, answer in pairs]
    trainer = trainers.BpeTrainer(
        vocab_size=3000,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = TEMPLATE
    eos, pad = int(tokenizer.eos_token_id), int(tokenizer.pad_token_id)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=2048,
            eos_token_id=eos,
            pad_token_id=pad,
            bos_token_id=None,
            tie_word_embeddings=True,
        )
    )
    model.generation_config = GenerationConfig(eos_token_id=eos, pad_token_id=pad)
    rows = []
    for chat, answer in pairs:
        prompt = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        asked = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        ended = answer + ("" if answer.endswith(" ") else "<|im_end|>")
        said = tokenizer(ended, add_special_tokens=False)["input_ids"]
        rows.append((torch.tensor([asked + said]), torch.tensor(said)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    loss = float("inf")
    for _ in range(steps):
        losses = []
        for (
            ids,
            said,
        ) in rows:  # one by one and only the answers' logits: a third of the time of a padded batch
            hidden = model.model(input_ids=ids).last_hidden_state[0, -len(said) - 1 : -1]
            losses.append(torch.nn.functional.cross_entropy(model.lm_head(hidden), said))
        total = torch.stack(losses)
        total.sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        loss = float(total.max().detach())
        if loss < ENOUGH:
            break
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return loss
