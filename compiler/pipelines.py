"""The table of contents of the compiler: which passes run, in which order, and why there.

Import and code generation are no passes: they change the representation, not the module (see driver.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from ..ir.diagnostics import CompileError
from ..ir.target import Target
from ..passes.base import Pass
from ..passes.graph.canonicalize import Canonicalize
from ..passes.graph.check_indices import CheckIndices
from ..passes.graph.cse import Cse
from ..passes.graph.dce import Dce
from ..passes.graph.fold_batch_norm import FoldBatchNorm
from ..passes.graph.fold_constants import FoldConstants
from ..passes.graph.fold_indices import FoldIndices
from ..passes.graph.infer_shapes import InferShapes
from ..passes.graph.join_convolutions import JoinConvolutions
from ..passes.graph.join_products import JoinProducts
from ..passes.graph.lower_precision import LowerPrecision
from ..passes.graph.move_pools import MovePools
from ..passes.graph.recognize_activations import RecognizeActivations
from ..passes.graph.recognize_attention import RecognizeAttention
from ..passes.graph.recognize_gelu import RecognizeGelu
from ..passes.graph.recognize_layer_norm import RecognizeLayerNorm
from ..passes.graph.recognize_softmax import RecognizeSoftmax
from ..passes.kernel.chain_products import ChainProducts
from ..passes.kernel.choose_layout import ChooseLayout
from ..passes.kernel.decompose import Decompose
from ..passes.kernel.fold_norms import FoldNorms
from ..passes.kernel.form_kernels import FormKernels
from ..passes.kernel.fuse_depthwise import FuseDepthwise
from ..passes.kernel.fuse_norms import FuseNorms
from ..passes.kernel.fuse_row_sums import FuseRowSums
from ..passes.kernel.join_launches import JoinLaunches
from ..passes.kernel.project_recurrent_inputs import ProjectRecurrentInputs
from ..passes.kernel.rematerialize import Rematerialize
from ..passes.kernel.split_reductions import SplitReductions
from ..passes.kernel.split_sums import SplitSums
from ..passes.legalize.legalize_onnx import LegalizeOnnx
from ..passes.manager import Step
from ..passes.options import parse_pipeline
from ..passes.plan.assign_offsets import AssignOffsets
from ..passes.plan.lower_to_plan import LowerToPlan
from ..passes.tile.assign_layouts import AssignLayouts
from ..passes.tile.overlap_launches import OverlapLaunches
from ..passes.tile.relax_math import RelaxMath
from ..passes.tile.schedule_kernels import ScheduleKernels
from ..passes.tile.tile_kernels import TileKernels
from . import phases

Entry = tuple[Pass, str]

LEGALIZE: tuple[Entry, ...] = (
    (LegalizeOnnx(host_fallback=True), "every version of every operator becomes a few core ops; sizes become symbols"),
    (Canonicalize(), "legalizations are written to be right, not short"),
    (Cse(), "each operator brings its own constants"),
    (Dce(), "shape arithmetic is in the types now"),
)

REWRITE: tuple[Entry, ...] = (
    (InferShapes(), "sizes that the profile leaves one value are numbers from here on"),
    (CheckIndices(), "for --debug-bounds: ops still have the indices that the model gives them"),
    (Canonicalize(), "one form for equal things, so that the passes below have fewer to know"),
    (FoldConstants(), "what is known is not computed"),
    (FoldIndices(), "nor is what is known for every size: masks of nothing, gathers in order"),
    (Canonicalize(), "folded constants are neutral elements, sizes and indices"),
    (Cse(), "exporters repeat shape arithmetic and masks"),
    (RecognizeActivations(), "one op for one function, which has an accurate formula"),
    (RecognizeGelu(), "both exporters spell it, each in its way"),
    (RecognizeLayerNorm(), "a normalization is one kernel, and keeps its statistics in f32"),
    (RecognizeSoftmax(), "likewise"),
    (RecognizeAttention(), "a softmax between two products is one kernel that never stores its scores"),
    (FoldBatchNorm(), "at inference it is a factor and a term a channel, most often of weights"),
    (FoldConstants(), "the weights that batch norms were folded into"),
    (MovePools(), "batch norms, which stand behind convolutions too, are in weights and biases now"),
    (JoinConvolutions(), "poolings are behind the convolutions that others can be joined with"),
    (JoinProducts(), "views behind products are in one form, and joined weights are lowered as one"),
    (FoldConstants(), "joined weights"),
    (LowerPrecision(), "as the module's precision says; norms and activations are whole and compute in f32 inside"),
    (FoldConstants(), "weights in their new type"),
    (Canonicalize(), "one form again for what the rewrites made"),
    (Cse(), "equal things that were spelled in two ways"),
    (Dce(), "what the rewrites left behind"),
)

KERNELS: tuple[Entry, ...] = (
    (FoldNorms(), "types are final, and norms are whole still"),
    (Decompose(), "kernels are formed of reductions and element-wise ops"),
    (ProjectRecurrentInputs(), "one large matrix product instead of one a time step"),
    (SplitSums(), "an element of a running sum should not add up a whole axis"),
    (SplitReductions(), "one worker should not reduce a whole tensor alone"),
    (FormKernels(), "what shares a launch is decided while ops still say what they mean"),
    (ChooseLayout(), "which kernels a tensor stands between is known"),
    (FuseDepthwise(), "what a depthwise convolution reads need not leave a core's cache"),
    (FuseRowSums(), "a product has its rows in registers still"),
    (FuseNorms(), "the rows that a product makes are in caches still"),
    (JoinLaunches(), "kernels are as large as they get by what they compute of each other"),
    (ChainProducts(), "kernels too small for launches of their own are known now"),
    (Rematerialize(), "the order of launches, and with it what is in memory at once, is final"),
)

TILE: dict[str, tuple[Entry, ...]] = {
    "cpu": (
        (ScheduleKernels(), "the strategy and its parameters are written down before they are followed"),
        (TileKernels(), "each kernel becomes the program of one worker"),
        (Dce(), "weights that were packed anew are not kept twice"),
    ),
    "cuda": (
        (ScheduleKernels(), "the strategy and its parameters are written down before they are followed"),
        (TileKernels(), "each kernel becomes the program of one thread block"),
        (RelaxMath(), "exponentials stand in programs now, as the formulas of activations spell them"),
        (AssignLayouts(), "which thread holds what is decided once, for the whole program of a block"),
        (OverlapLaunches(), "programs and their grids are final"),
        (Dce(), "weights that were packed anew are not kept twice"),
    ),
}

PLAN: tuple[Entry, ...] = (
    (LowerToPlan(), "kernels are final: tensors can become buffers"),
    (AssignOffsets(), "after aliases and in-place results have decided which buffers there are"),
)

NEEDED = frozenset({"lower-precision", "decompose", "form-kernels", "project-recurrent-inputs"})
"""Passes of the rewrite and kernels phases without which there is no plan, or another one than asked for."""


def optional_passes() -> tuple[str, ...]:
    """The passes that only make plans better, in order: each can be switched off."""
    names = (transform.name for transform, _ in (*REWRITE, *KERNELS))
    return tuple(name for name in dict.fromkeys(names) if name not in NEEDED)


def steps(target: Target) -> list[Step]:
    """The passes of all phases for a target."""
    by_phase = {
        "legalize": LEGALIZE,
        "rewrite": REWRITE,
        "kernels": KERNELS,
        "tile": TILE[target.kind],
        "plan": PLAN,
    }
    return [Step(transform, phase, reason) for phase, entries in by_phase.items() for transform, reason in entries]


def user_steps(loaded: Iterable[type[Pass]], added: Iterable[str]) -> list[Step]:
    """The user's passes with their phases.

    `loaded` are classes, of which those count that name a phase; `added` are texts like `rewrite:my-pass{size=2},cse`.
    Raises CompileError.
    """
    steps = [Step(cls(), cls.phase, "the user's") for cls in loaded if cls.phase]
    for text in added:
        phase, colon, pipeline = text.partition(":")
        if not colon:
            raise CompileError(f"--add-pass: expected PHASE:PASSES, found '{text}'")
        steps += [Step(transform, phase, "the user's") for transform in parse_pipeline(pipeline)]
    for step in steps:
        phases.check(step.phase, phases.WITH_PASSES, f"pass '{step.transform.name}'")
    return steps


def merged(built_in: Iterable[Step], user: Iterable[Step]) -> list[Step]:
    """Both in order of their phases, the user's at the end of each."""
    order = list(phases.PHASES)
    return sorted([*built_in, *user], key=lambda step: order.index(step.phase))
