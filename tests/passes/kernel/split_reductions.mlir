// RUN: kernelwright opt %s --target cuda:h100 --pass-pipeline=split-reductions --split-input-file | filecheck %s

// CHECK-LABEL: func.func @sum_of_all
func.func @sum_of_all(%x: tensor<512x1024xf32>) -> tensor<f32> {
  // CHECK-NEXT: %0 = "nn.reshape"(%x) : (tensor<512x1024xf32>) -> tensor<128x4x1024xf32>
  // CHECK-NEXT: %1 = "nn.reduce"(%0) {kind = "add", axes = array<i64: 1, 2>, keep_dims = false} : (tensor<128x4x1024xf32>) -> tensor<128xf32>
  // CHECK-NEXT: %y = "nn.reduce"(%1) {kind = "add", axes = array<i64: 0>, keep_dims = false} : (tensor<128xf32>) -> tensor<f32>
  // CHECK-NEXT: return %y
  %y = "nn.reduce"(%x) {kind = "add", axes = array<i64: 0, 1>, keep_dims = false} : (tensor<512x1024xf32>) -> tensor<f32>
  return %y : tensor<f32>
}

// -----

// CHECK-LABEL: func.func @mean_in_half_precision
func.func @mean_in_half_precision(%x: tensor<3x65536x5xf16>) -> tensor<3x1x5xf16> {
  // CHECK-NEXT: "nn.cast"(%x) {to = f32}
  // CHECK-NEXT: "nn.reshape"{{.*}} -> tensor<3x16x4096x5xf32>
  // CHECK-NEXT: "nn.reduce"{{.*}}kind = "add", axes = array<i64: 2>{{.*}} -> tensor<3x16x5xf32>
  // CHECK-NEXT: "nn.reduce"{{.*}}kind = "add", axes = array<i64: 1>{{.*}} -> tensor<3x5xf32>
  // CHECK-NEXT: "nn.constant"{{.*}}65536.0
  // CHECK-NEXT: "nn.div"
  // CHECK-NEXT: "nn.reshape"{{.*}} -> tensor<3x1x5xf32>
  // CHECK-NEXT: "nn.cast"{{.*}}to = f16
  %y = "nn.reduce"(%x) {kind = "mean", axes = array<i64: 1>, keep_dims = true} : (tensor<3x65536x5xf16>) -> tensor<3x1x5xf16>
  return %y : tensor<3x1x5xf16>
}

// -----

// A row for every worker is enough.
// CHECK-LABEL: func.func @many_rows
func.func @many_rows(%x: tensor<512x65536xf32>) -> tensor<512xf32> {
  // CHECK-NOT: reshape
  %y = "nn.reduce"(%x) {kind = "add", axes = array<i64: 1>, keep_dims = false} : (tensor<512x65536xf32>) -> tensor<512xf32>
  return %y : tensor<512xf32>
}

// -----

// A prime number of elements has no equal parts.
// CHECK-LABEL: func.func @prime
func.func @prime(%x: tensor<65537xf32>) -> tensor<f32> {
  // CHECK-NOT: reshape
  %y = "nn.reduce"(%x) {kind = "max", axes = array<i64: 0>, keep_dims = false} : (tensor<65537xf32>) -> tensor<f32>
  return %y : tensor<f32>
}
