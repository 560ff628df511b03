// RUN: kernelwright opt %s --target cuda:h100 --pass-pipeline=schedule-kernels,tile-kernels,overlap-launches --split-input-file | filecheck %s
// RUN: kernelwright opt %s --target cuda:sm_80 --pass-pipeline=schedule-kernels,tile-kernels,overlap-launches --split-input-file | filecheck %s --check-prefix=OLD

// Each of a few blocks gets a multiprocessor of its own; nothing is read before the wait.
// CHECK-LABEL: "kernel.func"
// CHECK: "tile.trigger_dependents"
// CHECK: "tile.wait_dependencies"
// CHECK: "tile.load"
// CHECK-NOT: "tile.wait_dependencies"
// CHECK: sym_name = "few"
// CHECK-SAME: grid = array<i64: 64>
// CHECK-SAME: shared_bytes = 115728 : i64
// OLD-NOT: dependen
// OLD-NOT: "few"{{.*}}shared_bytes = 
"kernel.func"() ({
^bb0(%x: tensor<64x768xf32>):
  %max = "nn.reduce"(%x) {kind = "max", axes = array<i64: 1>, keep_dims = true} : (tensor<64x768xf32>) -> tensor<64x1xf32>
  %y = "nn.sub"(%x, %max) : (tensor<64x768xf32>, tensor<64x1xf32>) -> tensor<64x768xf32>
  "kernel.return"(%y) : (tensor<64x768xf32>) -> ()
}) {sym_name = "few"} : () -> ()

// -----

// Many blocks a multiprocessor crowd nowhere.
// CHECK-LABEL: "kernel.func"
// CHECK: "tile.trigger_dependents"
// CHECK: sym_name = "many"
// CHECK-NOT: {{, shared_bytes = }}
"kernel.func"() ({
^bb0(%x: tensor<4096x4096xf32>):
  %y = "nn.exp"(%x) : (tensor<4096x4096xf32>) -> tensor<4096x4096xf32>
  "kernel.return"(%y) : (tensor<4096x4096xf32>) -> ()
}) {sym_name = "many"} : () -> ()
