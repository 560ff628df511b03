// RUN: kernelwright opt %s --target cpu-avx512 --pass-pipeline=decompose,schedule-kernels,tile-kernels --split-input-file | filecheck %s
// RUN: kernelwright opt %s --target cuda:h100 --pass-pipeline=decompose,schedule-kernels,tile-kernels --split-input-file | filecheck %s --check-prefix=CUDA

// On a CPU three passes over a row; on a GPU one load, the row stays in registers, four rows a block.
// CHECK-LABEL: "kernel.func"
// CHECK: "arith.maximumf"
// CHECK: "tile.reduce"({{.*}}) {kind = "max"
// CHECK: "math.exp"
// CHECK: "tile.reduce"({{.*}}) {kind = "add"
// CHECK: "arith.divf"({{.*}} -> f32
// CHECK: "arith.mulf"({{.*}} -> vector<32xf32>
// CHECK-NEXT: "tile.store"
// CHECK: tactic = "rows"
// CUDA: "tile.load"(%x, {{.*}} -> vector<4x128xf32>
// CUDA-NOT: tile.load
// CUDA: "tile.reduce"({{.*}}) {kind = "max", axes = array<i64: 1>} : (vector<4x128xf32>) -> vector<4xf32>
// CUDA: "math.exp"
// CUDA: "tile.reduce"({{.*}}) {kind = "add", axes = array<i64: 1>} : (vector<4x128xf32>) -> vector<4xf32>
// CUDA-NOT: math.exp
// CUDA: "tile.store"
// CUDA: tactic = "rows", {{.*}}grid = ["ceildiv(n, 4)"], threads = 64 : i64
"kernel.func"() ({
^bb0(%x: tensor<?x128xf32, #kw.dims<"n">>):
  %y = "nn.softmax"(%x) {axis = 1 : i64} : (tensor<?x128xf32, #kw.dims<"n">>) -> tensor<?x128xf32, #kw.dims<"n">>
  "kernel.return"(%y) : (tensor<?x128xf32, #kw.dims<"n">>) -> ()
}) {sym_name = "softmax"} : () -> ()

// -----

// Global average pooling: height and width are one row of 49.
// CHECK-LABEL: "kernel.func"
// CHECK: "tile.load"({{.*}} -> vector<64xf32>
// CHECK: "tile.reduce"({{.*}}) {kind = "add", axes = array<i64: 0>} : (vector<64xf32>) -> f32
// CHECK: "tile.store"({{.*}}) {dims = array<i64>, {{.*}} : (f32, memref<960xf32>, index) -> ()
// CHECK: tactic = "rows"
// CUDA: tactic = "rows"
"kernel.func"() ({
^bb0(%x: tensor<1x960x7x7xf32>):
  %y = "nn.reduce"(%x) {kind = "mean", axes = array<i64: 2, 3>, keep_dims = true} : (tensor<1x960x7x7xf32>) -> tensor<1x960x1x1xf32>
  "kernel.return"(%y) : (tensor<1x960x1x1xf32>) -> ()
}) {sym_name = "pool"} : () -> ()

// -----

// A sum over columns reads rows side by side: no row is reduced.
// CHECK-LABEL: "kernel.func"
// CHECK: "scf.for"
// CHECK: "tile.load"({{.*}}) {dims = array<i64: 1>, steps = array<i64: 1>{{.*}} -> vector<32xf32>
// CHECK-NEXT: "arith.addf"
// CHECK-NOT: tile.reduce
// CHECK: tactic = "generic"
// CUDA: tactic = "generic"
"kernel.func"() ({
^bb0(%x: tensor<300x64xf32>):
  %y = "nn.reduce"(%x) {kind = "add", axes = array<i64: 0>, keep_dims = false} : (tensor<300x64xf32>) -> tensor<64xf32>
  "kernel.return"(%y) : (tensor<64xf32>) -> ()
}) {sym_name = "columns"} : () -> ()
