// RUN: kernelwright opt %s --split-input-file --pass-pipeline=lower-to-plan,assign-offsets | filecheck %s

// A returned value is made in the output's memory; a dead operand of the same type is overwritten; a reshape is an alias.
// CHECK: "plan.input"() {index = 0 : i64, tensor_name = "x"}
// CHECK: %[[Y:.*]] = "plan.output"() {index = 0 : i64, tensor_name = "y"}
// CHECK: %[[A:.*]] = "plan.arena"() {label = "b0", offset = 0 : i64}
// CHECK: "plan.launch"(%{{.*}}, %[[A]]) {callee = @relu
// CHECK: "plan.launch"(%[[A]], %[[A]]) {callee = @relu
// CHECK: %[[R:.*]] = "plan.alias"(%[[A]])
// CHECK: "plan.launch"(%[[R]], %{{.*}}) {callee = @neg
// CHECK-NOT: "plan.copy"
module {
  "kernel.func"() ({
  ^bb0(%a: memref<8xf32>, %b: memref<8xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "relu", grid = [1 : i64], arg_shapes = ["8", "8"], in_place = array<i64: 0>} : () -> ()
  "kernel.func"() ({
  ^bb0(%a: memref<2x4xf32>, %b: memref<2x4xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "neg", grid = [1 : i64], arg_shapes = ["2, 4", "2, 4"]} : () -> ()
  func.func @main(%x: tensor<8xf32> {kw.name = "x"}) -> (tensor<2x4xf32> {kw.name = "y"}) {
    %0 = "kernel.call"(%x) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
    %1 = "kernel.call"(%0) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
    %2 = "nn.reshape"(%1) : (tensor<8xf32>) -> tensor<2x4xf32>
    %3 = "kernel.call"(%2) {callee = @neg} : (tensor<2x4xf32>) -> tensor<2x4xf32>
    return %3 : tensor<2x4xf32>
  }
}

// -----

// An input or a weight that is returned as it is, and a value that is returned twice, are copied.
// CHECK: "plan.launch"(%[[X:.*]], %[[Y:.*]]) {callee = @relu
// CHECK: "plan.copy"(%[[Y]], %{{.*}})
// CHECK: "plan.copy"(%[[X]], %{{.*}})
module {
  "kernel.func"() ({
  ^bb0(%a: memref<8xf32>, %b: memref<8xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "relu", grid = [1 : i64], arg_shapes = ["8", "8"]} : () -> ()
  func.func @main(%x: tensor<8xf32> {kw.name = "x"}) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {
    %0 = "kernel.call"(%x) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
    return %0, %0, %x : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  }
}
