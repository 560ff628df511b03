"""The CUDA driver, as far as plans need it: plain integers in and out, and our errors.

Everything above this module is ordinary Python over the methods of Driver, so that it can be tested on a machine
without a GPU against a driver that only keeps books (tests/runtime/fake_cuda.py).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import DeviceError, DeviceMemoryError
from .plan import PixelWalk

_TENSOR_MAP_TYPES = {
    "ui8": "UINT8",
    "i8": "UINT8",
    "f8E4M3FN": "UINT8",
    "f8E5M2": "UINT8",
    "ui16": "UINT16",
    "i16": "UINT16",
    "ui32": "UINT32",
    "i32": "INT32",
    "ui64": "UINT64",
    "i64": "INT64",
    "f16": "FLOAT16",
    "f32": "FLOAT32",
    "f64": "FLOAT64",
    "bf16": "BFLOAT16",
    "tf32": "TFLOAT32",
}


@dataclass(frozen=True)
class LaunchShape:
    """How a kernel is launched: everything but the kernel, its arguments and the stream."""

    grid: tuple[int, int, int]
    block: int
    shared_bytes: int = 0
    cluster: tuple[int, int, int] | None = None
    overlap: bool = False
    """Programmatic dependent launch: may start while the kernel before it in the stream still runs."""
    cooperative: bool = False


class Driver:
    """One GPU's primary context. Every method must be called with the context current (enter())."""

    def __init__(self, number: int = 0) -> None:
        """Raises DeviceError where there is no CUDA binding, no driver, or no GPU of that number."""
        self._cuda = _bindings()
        self._initialize()
        count = self._call("cuDeviceGetCount")
        if number not in range(count):
            found = "no GPU" if count == 0 else f"{count} GPU{'s' if count > 1 else ''}"
            raise DeviceError(f"no GPU number {number}: the driver sees {found}", "CUDA_VISIBLE_DEVICES may hide some")
        self.number = number
        self._pool: Any = None
        self._device = self._call("cuDeviceGet", number)
        self._context = self._call("cuDevicePrimaryCtxRetain", self._device)
        self.enter()
        attribute = self._cuda.CUdevice_attribute
        self.capability = (
            self._call("cuDeviceGetAttribute", attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, self._device),
            self._call("cuDeviceGetAttribute", attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, self._device),
        )
        self.name: str = self._call("cuDeviceGetName", 96, self._device).split(b"\0")[0].decode()

    def enter(self) -> None:
        """Make the context current in this thread."""
        self._call("cuCtxSetCurrent", self._context)

    # Code

    def load_module(self, image: bytes) -> Any:
        """Code from a cubin or from PTX."""
        return self._call("cuModuleLoadData", image + b"\0")  # the driver takes PTX as a C string

    def unload_module(self, module: Any) -> None:
        self._call("cuModuleUnload", module)

    def function(self, module: Any, name: str) -> Any:
        """A kernel, loaded now: loading it on the first launch would not be allowed while a graph is captured."""
        function = self._call("cuModuleGetFunction", module, name.encode())
        self._call("cuFuncLoad", function)
        return function

    def allow_shared_memory(self, function: Any, size: int) -> None:
        """Let launches of `function` ask for `size` bytes of dynamic shared memory."""
        attribute = self._cuda.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        self._call("cuFuncSetAttribute", function, attribute, size)

    def allow_large_clusters(self, function: Any) -> None:
        """Let launches of `function` have clusters of more than 8 blocks, where the GPU has them."""
        attribute = self._cuda.CUfunction_attribute.CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED
        self._call("cuFuncSetAttribute", function, attribute, 1)

    def registers(self, function: Any) -> int:
        return self._call("cuFuncGetAttribute", self._cuda.CUfunction_attribute.CU_FUNC_ATTRIBUTE_NUM_REGS, function)

    # Memory

    def allocate(self, size: int) -> int:
        return int(self._call("cuMemAlloc", max(size, 1)))

    def free(self, pointer: int) -> None:
        self._call("cuMemFree", pointer)

    def allocate_async(self, size: int, stream: int) -> int:
        """Memory from a pool of our own that keeps what is freed; the default one returns it at every wait."""
        if self._pool is None:
            self._pool = self._create_pool()
        return int(self._call("cuMemAllocFromPoolAsync", max(size, 1), self._pool, stream))

    def free_async(self, pointer: int, stream: int) -> None:
        self._call("cuMemFreeAsync", pointer, stream)

    def allocate_pinned(self, size: int) -> int:
        return int(self._call("cuMemHostAlloc", max(size, 1), 0))

    def free_pinned(self, pointer: int) -> None:
        self._call("cuMemFreeHost", pointer)

    def copy_to_device(self, target: int, source: int, size: int) -> None:
        """Copy from any host memory, and return when it may be reused."""
        self._call("cuMemcpyHtoD", target, source, size)

    def copy(self, target: int, source: int, size: int, stream: int) -> None:
        """Copy between any two of device and pinned memory, in the order of the stream."""
        self._call("cuMemcpyAsync", target, source, size, stream)

    def fill(self, target: int, element: bytes, count: int, stream: int) -> None:
        """Set `count` elements of 1, 2, 4 or 8 bytes to `element`."""
        value = int.from_bytes(element, "little")
        if len(element) < 8:
            self._call(f"cuMemsetD{8 * len(element)}Async", target, value, count, stream)
            return
        for half in (0, 1):  # every other word, as a column one word wide and `count` high
            word = value >> (32 * half) & 0xFFFFFFFF
            self._call("cuMemsetD2D32Async", target + 4 * half, 8, word, 1, count, stream)

    # Streams, events and graphs

    def create_stream(self) -> int:
        return int(self._call("cuStreamCreate", self._cuda.CUstream_flags.CU_STREAM_NON_BLOCKING.value))

    def destroy_stream(self, stream: int) -> None:
        self._call("cuStreamDestroy", stream)

    def synchronize(self, stream: int) -> None:
        self._call("cuStreamSynchronize", stream)

    def create_event(self, timing: bool = False) -> int:
        flags = self._cuda.CUevent_flags
        return int(
            self._call("cuEventCreate", (flags.CU_EVENT_DEFAULT if timing else flags.CU_EVENT_DISABLE_TIMING).value)
        )

    def destroy_event(self, event: int) -> None:
        self._call("cuEventDestroy", event)

    def record(self, event: int, stream: int) -> None:
        self._call("cuEventRecord", event, stream)

    def record_in_graph(self, event: int, stream: int) -> None:
        """Record the event each time the graph that is being captured comes to this point."""
        external = self._cuda.CUevent_record_flags.CU_EVENT_RECORD_EXTERNAL
        self._call("cuEventRecordWithFlags", event, stream, external.value)

    def wait(self, stream: int, event: int) -> None:
        """Make the stream wait for the event."""
        self._call("cuStreamWaitEvent", stream, event, 0)

    def is_done(self, event: int) -> bool:
        (status,) = self._cuda.cuEventQuery(event)
        if status not in (self._cuda.CUresult.CUDA_SUCCESS, self._cuda.CUresult.CUDA_ERROR_NOT_READY):
            raise self._error("cuEventQuery", status)
        return status == self._cuda.CUresult.CUDA_SUCCESS

    def synchronize_event(self, event: int) -> None:
        self._call("cuEventSynchronize", event)

    def seconds_between(self, start: int, end: int) -> float:
        self._call("cuEventSynchronize", end)
        return self._call("cuEventElapsedTime", start, end) * 1e-3

    def begin_capture(self, stream: int) -> None:
        self._call("cuStreamBeginCapture", stream, self._cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)

    def end_capture(self, stream: int) -> int:
        """The captured work as an executable graph."""
        graph = self._call("cuStreamEndCapture", stream)
        try:
            return int(self._call("cuGraphInstantiate", graph, 0))
        finally:
            self._call("cuGraphDestroy", graph)

    def abort_capture(self, stream: int) -> None:
        """End a capture in which something failed."""
        _, graph = self._cuda.cuStreamEndCapture(stream)
        if graph is not None and int(graph):
            self._cuda.cuGraphDestroy(graph)

    def launch_graph(self, graph: int, stream: int) -> None:
        self._call("cuGraphLaunch", graph, stream)

    def destroy_graph(self, graph: int) -> None:
        self._call("cuGraphExecDestroy", graph)

    # Kernels

    def launch_config(self, shape: LaunchShape) -> Any:
        """What launch() needs of a launch shape; reusable."""
        cuda = self._cuda
        config = cuda.CUlaunchConfig()
        config.gridDimX, config.gridDimY, config.gridDimZ = shape.grid
        config.blockDimX, config.blockDimY, config.blockDimZ = shape.block, 1, 1
        config.sharedMemBytes = shape.shared_bytes
        attributes = []
        ids = cuda.CUlaunchAttributeID
        if shape.cluster is not None:
            attribute = cuda.CUlaunchAttribute()
            attribute.id = ids.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION
            dims = attribute.value.clusterDim
            dims.x, dims.y, dims.z = shape.cluster
            attributes.append(attribute)
        if shape.overlap:
            attribute = cuda.CUlaunchAttribute()
            attribute.id = ids.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
            attribute.value.programmaticStreamSerializationAllowed = 1
            attributes.append(attribute)
        if shape.cooperative:
            attribute = cuda.CUlaunchAttribute()
            attribute.id = ids.CU_LAUNCH_ATTRIBUTE_COOPERATIVE
            attribute.value.cooperative = 1
            attributes.append(attribute)
        config.attrs = attributes
        config.numAttrs = len(attributes)
        return config

    def launch(self, function: Any, config: Any, arguments: int, stream: int) -> None:
        """Launch a kernel; `arguments` is the address of an array with the address of each argument."""
        config.hStream = stream
        self._call("cuLaunchKernelEx", config, function, arguments, 0)

    def tensor_map(
        self,
        pointer: int,
        dtype: str,
        shape: Sequence[int],
        strides: Sequence[int],
        box: Sequence[int],
        swizzle: int,
        l2_promotion: int,
        pixels: PixelWalk | None = None,
    ) -> bytes:
        """The 128 bytes of a CUtensorMap, sizes from the innermost dimension outwards (see plan.TensorMap)."""
        cuda = self._cuda
        names = cuda.CUtensorMapDataType
        swizzles, promotions = cuda.CUtensorMapSwizzle, cuda.CUtensorMapL2promotion
        promotion = f"L2_{l2_promotion}B" if l2_promotion else "NONE"
        steps = [1] * len(shape)
        parts: list[Any] = [[cuda.cuuint32_t(size) for size in box]]
        if pixels is not None:
            steps = [1, *pixels.steps, 1]
            parts = [list(pixels.lower), list(pixels.upper), *(cuda.cuuint32_t(size) for size in box)]
        encoded = self._call(
            "cuTensorMapEncodeTiled" if pixels is None else "cuTensorMapEncodeIm2col",
            getattr(names, f"CU_TENSOR_MAP_DATA_TYPE_{_TENSOR_MAP_TYPES[dtype]}"),
            len(shape),
            pointer,
            [cuda.cuuint64_t(size) for size in shape],
            [cuda.cuuint64_t(stride) for stride in strides],
            *parts,
            [cuda.cuuint32_t(step) for step in steps],
            cuda.CUtensorMapInterleave.CU_TENSOR_MAP_INTERLEAVE_NONE,
            getattr(swizzles, f"CU_TENSOR_MAP_SWIZZLE_{f'{swizzle}B' if swizzle else 'NONE'}"),
            getattr(promotions, f"CU_TENSOR_MAP_L2_PROMOTION_{promotion}"),
            cuda.CUtensorMapFloatOOBfill.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
        )
        return ctypes.string_at(int(encoded.getPtr()), 128)

    def close(self) -> None:
        if self._pool is not None:
            self._call("cuMemPoolDestroy", self._pool)
        self._call("cuDevicePrimaryCtxRelease", self._device)

    def _create_pool(self) -> Any:
        cuda = self._cuda
        properties = cuda.CUmemPoolProps()
        properties.allocType = cuda.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
        properties.location.type = cuda.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
        properties.location.id = self.number
        pool = self._call("cuMemPoolCreate", properties)
        threshold = cuda.CUmemPool_attribute.CU_MEMPOOL_ATTR_RELEASE_THRESHOLD
        self._call("cuMemPoolSetAttribute", pool, threshold, cuda.cuuint64_t(2**64 - 1))
        return pool

    def _initialize(self) -> None:
        try:
            status = self._cuda.cuInit(0)[0]
        except Exception as error:  # the bindings have several classes for a library that is not there
            raise DeviceError(
                "no CUDA driver: libcuda cannot be loaded",
                "install the NVIDIA driver, or compile for --target cpu",
                str(error).splitlines()[0],
            ) from None
        if status == self._cuda.CUresult.CUDA_ERROR_NO_DEVICE:
            raise DeviceError("no NVIDIA GPU: the driver is there but sees none", "compile for --target cpu")
        if status != self._cuda.CUresult.CUDA_SUCCESS:
            raise DeviceError(f"the CUDA driver does not start: {self._explain(status)}")

    def _call(self, name: str, *arguments: Any) -> Any:
        """Call a driver function; its results without the status, alone where there is one."""
        status, *results = getattr(self._cuda, name)(*arguments)
        if status != self._cuda.CUresult.CUDA_SUCCESS:
            raise self._error(name, status)
        return results[0] if len(results) == 1 else tuple(results)

    def _error(self, name: str, status: Any) -> DeviceError:
        if status == self._cuda.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
            return DeviceMemoryError(
                f"GPU {self.number} is out of memory ({name})",
                "run smaller shapes, fewer contexts, or close other programs",
            )
        return DeviceError(f"{name} failed: {self._explain(status)}")

    def _explain(self, status: Any) -> str:
        _, text = self._cuda.cuGetErrorString(status)
        described = text.decode() if isinstance(text, bytes) else "unknown error"
        return f"{described} ({getattr(status, 'name', status)})"


def _bindings() -> Any:
    """cuda.bindings.driver; imported only when a CUDA plan is about to run."""
    try:
        from cuda.bindings import driver  # pyright: ignore[reportAttributeAccessIssue]  # noqa: PLC0415, optional
    except ImportError as error:
        raise DeviceError(
            f"CUDA plans need cuda-python, which cannot be imported: {error}", "pip install 'kernelwright[cuda]'"
        ) from None
    return driver
