// RUN: kernelwright opt %s --target cpu-avx512 --pass-pipeline=schedule-kernels,tile-kernels --split-input-file | filecheck %s
// RUN: kernelwright opt %s --target cuda:h100 --pass-pipeline=schedule-kernels,tile-kernels --split-input-file | filecheck %s --check-prefix=CUDA

// All dims merge into one; the last work item stops at the end.
// CHECK-LABEL: "kernel.func"
// CHECK-NEXT: ^bb0(%x: memref<?x3x50xf32>, %0: memref<?xf32>):
// CHECK: "tile.load"({{.*}}) {dims = array<i64: 0>, steps = array<i64: 1>, checked = array<i64>
// CHECK-NEXT: "arith.maximumf"
// CHECK-NEXT: "tile.store"({{.*}}) {dims = array<i64: 0>, steps = array<i64: 1>, checked = array<i64>
// CHECK: "tile.load"({{.*}}) {dims = array<i64: 0>, steps = array<i64: 1>, checked = array<i64: 0>
// CHECK: sym_name = "relu", {{.*}}tactic = "generic", {{.*}}grid = ["ceildiv(150 * n, 8192)"], arg_shapes = ["n, 3, 50", "150 * n"]
// CUDA: vector<128xf32>
// CUDA: grid = ["ceildiv(150 * n, 128)"], threads = 128 : i64
"kernel.func"() ({
^bb0(%x: tensor<?x3x50xf32, #kw.dims<"n">>):
  %y = "nn.relu"(%x) : (tensor<?x3x50xf32, #kw.dims<"n">>) -> tensor<?x3x50xf32, #kw.dims<"n">>
  "kernel.return"(%y) : (tensor<?x3x50xf32, #kw.dims<"n">>) -> ()
}) {sym_name = "relu"} : () -> ()

// -----

// A bias is loaded once for a tile of rows; nothing is divided inside the loop.
// CHECK-LABEL: "kernel.func"
// CHECK: %[[BIAS:.*]] = "tile.load"(%b, {{.*}} -> vector<32xf16>
// CHECK: %[[WIDE:.*]] = "arith.extf"(%[[BIAS]])
// CHECK: "scf.for"
// CHECK-NOT: div
// CHECK: "tile.load"(%{{.*}}) {{.*}} -> vector<32xf16>
// CHECK-NEXT: "arith.extf"
// CHECK-NEXT: "arith.addf"(%{{.*}}, %[[WIDE]])
// CHECK-NEXT: "arith.truncf"
// CHECK-NEXT: "tile.store"
// CUDA: "tile.load"({{.*}}) {{.*}}alignment = 16 : i64{{.*}} -> vector<4x32xf16>
"kernel.func"() ({
^bb0(%x: tensor<64x9x32xf16>, %b: tensor<32xf16>):
  %y = "nn.add"(%x, %b) : (tensor<64x9x32xf16>, tensor<32xf16>) -> tensor<64x9x32xf16>
  "kernel.return"(%y) : (tensor<64x9x32xf16>) -> ()
}) {sym_name = "bias"} : () -> ()

// -----

// A transposition goes through registers, square by square, or through shared memory.
// CHECK-LABEL: "kernel.func"
// CHECK: "tile.load"(%x, {{.*}} -> vector<16x16xf32>
// CHECK-NEXT: "vector.transpose"({{.*}}) {permutation = array<i64: 1, 0>}
// CHECK-NEXT: "tile.store"
// CUDA: %[[TILE:.*]] = "tile.load"({{.*}} -> vector<64x64xf32>
// CUDA-NEXT: %turned = "tile.alloc"() {{.*}} -> memref<64x64xf32, strided<[65, 1]>, "shared">
// CUDA-NEXT: "tile.barrier"
// CUDA-NEXT: "tile.store"(%[[TILE]], %turned{{.*}}) {dims = array<i64: 1, 0>
// CUDA-NEXT: "tile.barrier"
// CUDA-NEXT: "tile.load"(%turned{{.*}}) {dims = array<i64: 0, 1>
"kernel.func"() ({
^bb0(%x: tensor<96x64xf32>):
  %y = "nn.transpose"(%x) {perm = array<i64: 1, 0>} : (tensor<96x64xf32>) -> tensor<64x96xf32>
  "kernel.return"(%y) : (tensor<64x96xf32>) -> ()
}) {sym_name = "transposed"} : () -> ()

// -----

// Padding is a checked load: no branch, no select.
// CHECK-LABEL: "kernel.func"
// CHECK: "tile.load"(%x, {{.*}}checked = array<i64: 0, 1>, fill = 2.5 : f64
// CHECK-NOT: select
// CHECK: tactic = "generic"
// CUDA: checked = array<i64: 0, 1>, fill = 2.5 : f64
"kernel.func"() ({
^bb0(%x: tensor<5x7xf32>):
  %y = "nn.pad"(%x) {low = array<i64: 1, 2>, high = array<i64: 0, 3>, mode = "constant", value = 2.5 : f64} : (tensor<5x7xf32>) -> tensor<6x12xf32>
  "kernel.return"(%y) : (tensor<6x12xf32>) -> ()
}) {sym_name = "padded"} : () -> ()

// -----

// An embedding: the row is a scalar index, held inside the table, and the columns are plain loads.
// CHECK-LABEL: "kernel.func"
// CHECK: %[[TOKEN:.*]] = "tile.load"(%i, {{.*}} -> i64
// CHECK: "arith.index_cast"({{.*}}) : (i64) -> index
// CHECK: "arith.minsi"
// CHECK: "tile.load"(%x, {{.*}}) {dims = array<i64: 1>, steps = array<i64: 1>, checked = array<i64>, fill = 0.0 : f64, alignment = 16 : i64
// CHECK-NOT: tile.gather
// CHECK: tactic = "generic"
"kernel.func"() ({
^bb0(%x: tensor<1000x64xf32>, %i: tensor<9xi64>):
  %y = "nn.gather"(%x, %i) {axis = 0 : i64} : (tensor<1000x64xf32>, tensor<9xi64>) -> tensor<9x64xf32>
  "kernel.return"(%y) : (tensor<9x64xf32>) -> ()
}) {sym_name = "embedding"} : () -> ()
