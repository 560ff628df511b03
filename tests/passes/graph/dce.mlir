// RUN: kernelwright opt %s --pass-pipeline=dce --split-input-file | filecheck %s

// CHECK-LABEL: func.func @a_dead_chain_goes_whole
func.func @a_dead_chain_goes_whole(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: return %x
  %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.neg"(%0) : (tensor<4xf32>) -> tensor<4xf32>
  return %x : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @what_is_read_stays
func.func @what_is_read_stays(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: %0 = "nn.relu"(%x)
  // CHECK-NEXT: return %0
  %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.neg"(%0) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @unknown_ops_may_have_effects
func.func @unknown_ops_may_have_effects(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: "their.op"
  %0 = "their.op"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %x : tensor<4xf32>
}

// -----

// A size that is read goes where no type mentions it any more, and what computed it goes with it.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: "nn.read_sizes"(%k) {symbols = ["run_1"]}
// CHECK-NEXT: "nn.iota"
// CHECK-NEXT: return
module {
  func.func @main(%k: tensor<1xi64>) -> tensor<?xi64, #kw.dims<"run_1">> {
    %0 = "nn.abs"(%k) : (tensor<1xi64>) -> tensor<1xi64>
    "nn.read_sizes"(%0) {symbols = ["run_0"]} : (tensor<1xi64>) -> ()
    "nn.read_sizes"(%k) {symbols = ["run_1"]} : (tensor<1xi64>) -> ()
    %1 = "nn.iota"() {axis = 0 : i64} : () -> tensor<?xi64, #kw.dims<"run_0">>
    %2 = "nn.iota"() {axis = 0 : i64} : () -> tensor<?xi64, #kw.dims<"run_1">>
    return %2 : tensor<?xi64, #kw.dims<"run_1">>
  }
}
