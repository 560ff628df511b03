// RUN: kernelwright opt %s --pass-pipeline=recognize-softmax --split-input-file | filecheck %s

// CHECK-LABEL: func.func @softmax
func.func @softmax(%x: tensor<2x7xf32>) -> (tensor<2x7xf32>, tensor<2x7xf32>) {
  // CHECK-NEXT: %0 = "nn.softmax"(%x) {axis = 1 : i64}
  // CHECK-NEXT: %1 = "nn.log_softmax"(%x) {axis = 1 : i64}
  // CHECK-NEXT: return %0, %1
  %m = "nn.reduce"(%x) {kind = "max", axes = array<i64: 1>, keep_dims = true} : (tensor<2x7xf32>) -> tensor<2x1xf32>
  %c = "nn.sub"(%x, %m) : (tensor<2x7xf32>, tensor<2x1xf32>) -> tensor<2x7xf32>
  %e = "nn.exp"(%c) : (tensor<2x7xf32>) -> tensor<2x7xf32>
  %s = "nn.reduce"(%e) {kind = "add", axes = array<i64: 1>, keep_dims = true} : (tensor<2x7xf32>) -> tensor<2x1xf32>
  %0 = "nn.div"(%e, %s) : (tensor<2x7xf32>, tensor<2x1xf32>) -> tensor<2x7xf32>
  %1 = "nn.log"(%0) : (tensor<2x7xf32>) -> tensor<2x7xf32>
  return %0, %1 : tensor<2x7xf32>, tensor<2x7xf32>
}

// -----

// CHECK-LABEL: func.func @shifted_along_another_axis
func.func @shifted_along_another_axis(%x: tensor<2x7xf32>) -> tensor<2x7xf32> {
  // CHECK: %0 = "nn.sub"
  // CHECK: "nn.softmax"(%0) {axis = 1 : i64}
  %m = "nn.reduce"(%x) {kind = "max", axes = array<i64: 0>, keep_dims = true} : (tensor<2x7xf32>) -> tensor<1x7xf32>
  %1 = "nn.sub"(%x, %m) : (tensor<2x7xf32>, tensor<1x7xf32>) -> tensor<2x7xf32>
  %e = "nn.exp"(%1) : (tensor<2x7xf32>) -> tensor<2x7xf32>
  %s = "nn.reduce"(%e) {kind = "add", axes = array<i64: 1>, keep_dims = true} : (tensor<2x7xf32>) -> tensor<2x1xf32>
  %0 = "nn.div"(%e, %s) : (tensor<2x7xf32>, tensor<2x1xf32>) -> tensor<2x7xf32>
  return %0 : tensor<2x7xf32>
}

// -----

// CHECK-LABEL: func.func @divided_by_another_sum
func.func @divided_by_another_sum(%x: tensor<2x7xf32>, %z: tensor<2x7xf32>) -> tensor<2x7xf32> {
  // CHECK-NOT: nn.softmax
  // CHECK: return
  %e = "nn.exp"(%x) : (tensor<2x7xf32>) -> tensor<2x7xf32>
  %s = "nn.reduce"(%z) {kind = "add", axes = array<i64: 1>, keep_dims = true} : (tensor<2x7xf32>) -> tensor<2x1xf32>
  %0 = "nn.div"(%e, %s) : (tensor<2x7xf32>, tensor<2x1xf32>) -> tensor<2x7xf32>
  return %0 : tensor<2x7xf32>
}
