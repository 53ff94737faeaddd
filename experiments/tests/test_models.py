"""The models of the experiments have the paper's names, and batches of the shapes that they take."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from experiments.models.batch import Texts  # noqa: E402
from experiments.models.size import Size  # noqa: E402

SIZE = Size(layers=2, hidden=16, heads=2, sequence=12, vocabulary=64, predictions=3, batch=4, embedding=8)


def names(model: str, stage: str, size: Size = SIZE) -> set[str]:
    tf = pytest.importorskip("tensorflow")
    from experiments.models.session import build

    with tf.Graph().as_default() as graph:
        build(model, stage, size)
        return {operation.name for operation in graph.get_operations()}


@pytest.mark.tensorflow
def test_bert_has_the_papers_names() -> None:
    found = names("bert", "pretrain")
    layer = "bert/encoder/layer_1"
    assert {
        f"{layer}/attention/self/query/MatMul", f"{layer}/attention/self/Softmax",
        f"{layer}/attention/self/MatMul_1", f"{layer}/attention/output/dense/MatMul",
        f"{layer}/intermediate/dense/MatMul", f"{layer}/intermediate/dense/Tanh", f"{layer}/intermediate/dense/mul_3",
        f"{layer}/output/dense/MatMul", "bert/pooler/dense/MatMul", "cls/predictions/transform/dense/MatMul",
        "cls/predictions/MatMul", "cls/seq_relationship/MatMul",
        f"gradients/{layer}/output/dense/MatMul_grad/MatMul",
        f"gradients/{layer}/intermediate/dense/MatMul_grad/MatMul_1",
    } <= found  # fmt: skip
    assert any(name.startswith("bert/embeddings/") and "Gather" in name for name in found)
    assert "bert/encoder/layer_2/output/dense/MatMul" not in found
    assert any(name.startswith("AdamWeightDecayOptimizer/bert/encoder/layer_0/output/dense/kernel/") for name in found)


@pytest.mark.tensorflow
def test_albert_shares_parameters_and_works_by_einsum() -> None:
    tf = pytest.importorskip("tensorflow")
    from experiments.models.session import build

    with tf.Graph().as_default() as graph:
        build("albert", "pretrain", SIZE)
        found = {operation.name for operation in graph.get_operations()}
        variables = {variable.op.name for variable in tf.compat.v1.trainable_variables()}
    group = "bert/encoder/transformer/group_0"
    assert f"{group}/inner_group_0/ffn_1/intermediate/output/dense/kernel" in variables
    assert not any("group_1" in name for name in variables if "inner" in name), "one group has one set of parameters"
    assert "bert/encoder/embedding_hidden_mapping_in/einsum/Einsum" in found
    for call in (f"{group}/layer_0", f"{group}_1/layer_1"):
        assert f"{call}/inner_group_0/attention_1/self/key/einsum/Einsum" in found
        assert f"gradients/{call}/inner_group_0/ffn_1/intermediate/dense/einsum/Einsum_grad/Einsum" in found


@pytest.mark.tensorflow
def test_groups_and_inner_groups_have_parameters_of_their_own() -> None:
    pytest.importorskip("tensorflow")
    found = names("albert", "finetune", Size(**{**vars(SIZE), "groups": 2, "inner_groups": 2}))
    for group in (0, 1):
        for inner in (0, 1):
            assert (
                f"bert/encoder/transformer/group_{group}/inner_group_{inner}/ffn_1/intermediate/dense/kernel" in found
            )


@pytest.mark.tensorflow
@pytest.mark.parametrize("model", ["bert", "albert"])
def test_prediction_trains_nothing_and_drops_nothing_out(model: str) -> None:
    found = names(model, "predict")
    assert "probabilities" in found
    assert not any(name.startswith(("gradients/", "AdamWeightDecay")) or "dropout" in name for name in found)


@pytest.mark.tensorflow
@pytest.mark.parametrize("model", ["bert", "albert"])
def test_training_lowers_the_loss(model: str) -> None:
    tf = pytest.importorskip("tensorflow")
    from experiments.models.session import build

    texts = Texts.load(SIZE)
    with tf.Graph().as_default():
        program = build(model, "pretrain", SIZE, rate=1e-3)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            fed = program.feed(texts.pairs(0, SIZE))
            losses = [session.run(program.fetches, fed)[0] for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


@pytest.mark.tensorflow
def test_keras_has_the_same_layers() -> None:
    pytest.importorskip("tensorflow")
    from experiments.models.keras_bert import arrays, build
    from smaragdine.frameworks.tensorflow.graph import layer_paths

    model = build(SIZE)
    inputs, labels = arrays(Texts.load(SIZE).pairs(0, SIZE))
    history = model.fit(inputs, labels, batch_size=SIZE.batch, verbose=0)
    assert {"encoder/layer_1/attention/self/query", "pooler/dense", "cls/predictions/decoder",
            "cls/seq_relationship"} <= set(layer_paths(model))  # fmt: skip
    assert "words_accuracy" in history.history


def test_batches_are_functions_of_their_number() -> None:
    texts = Texts.load(SIZE)
    one, same, other = texts.pairs(3, SIZE), texts.pairs(3, SIZE), texts.pairs(4, SIZE)
    assert np.array_equal(one.tokens, same.tokens)
    assert not np.array_equal(one.tokens, other.tokens)
    assert one.tokens.shape == one.mask.shape == one.segments.shape == (4, 12)
    assert one.positions.shape == one.words.shape == (4, 3)
    assert one.segments[0].tolist() == [0] * 6 + [1] * 6
    assert set(np.concatenate([texts.pairs(n, SIZE).follows for n in range(9)])) == {0, 1}


def test_the_second_segment_follows_the_first_where_it_is_said_to(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(" ".join(f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(400)))
    size = Size(**{**vars(SIZE), "vocabulary": 500})
    texts = Texts.load(size, tmp_path)
    for number in range(5):
        pairs = texts.pairs(number, size)
        whole = pairs.tokens.copy()
        np.put_along_axis(whole, pairs.positions, pairs.words, axis=1)
        order = {token: place for place, token in enumerate(texts.corpus.tokens.tolist())}
        for row, follows in zip(whole.tolist(), pairs.follows, strict=True):
            assert (order[row[6]] == order[row[5]] + 1) >= bool(follows)


def test_sentences_of_cola_are_padded_and_keep_their_class(tmp_path: Path) -> None:
    file = tmp_path / "in_domain_train.tsv"
    file.write_text("gj04\t1\t\tThe book was there.\ngj04\t0\t*\tBook the there.\n")
    texts = Texts.load(SIZE, cola=file)
    batch = texts.classified(0, SIZE)
    lengths = {1: len(texts.corpus.tokenize("The book was there.")), 0: len(texts.corpus.tokenize("Book the there."))}
    for mask, label in zip(batch.mask, batch.classes.tolist(), strict=True):
        assert mask.sum() == lengths[label]
        assert sorted(mask.tolist(), reverse=True) == mask.tolist()


def test_a_file_that_is_not_cola_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "other.tsv"
    file.write_text("gj04\t1\t\tFine.\nno columns\n")
    with pytest.raises(ValueError, match="line 2"):
        Texts.load(SIZE, cola=file)


@pytest.mark.parametrize(("name", "value"), [("batch", 0), ("embedding", 0), ("groups", 3), ("hidden", 15)])
def test_sizes_that_no_model_can_have_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        Size(**{**vars(SIZE), name: value})
