// RUN: kernelwright opt %s --split-input-file --target=cuda:h200 --pass-pipeline=form-kernels,choose-layout,chain-products | filecheck %s

// A mean of an image with its channels last begins a chain too.
// CHECK: "nn.transpose"{{.*}} (tensor<1x6x6x16xf16>) -> tensor<1x16x6x6xf16>
// CHECK-NEXT: "nn.reduce"
// CHECK-NEXT: "nn.conv"
// CHECK-NEXT: "nn.relu"
// CHECK-NEXT: "nn.conv"
// CHECK: "kernel.return"({{.*}}) : (tensor<1x16x1x1xf16>, tensor<1x4x1x1xf16>, tensor<1x16x1x1xf16>) -> ()
// CHECK: func.func @main
module {
  func.func @main(%x: tensor<1x3x6x6xf16>) -> (tensor<1x16x1x1xf16>, tensor<1x8x1x1xf16>) {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<16x3x3x3xf16>} : () -> tensor<16x3x3x3xf16>
    %s = "nn.constant"() {value = dense_resource<s> : tensor<4x16x1x1xf16>} : () -> tensor<4x16x1x1xf16>
    %e = "nn.constant"() {value = dense_resource<e> : tensor<16x4x1x1xf16>} : () -> tensor<16x4x1x1xf16>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<8x16x1x1xf16>} : () -> tensor<8x16x1x1xf16>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x3x6x6xf16>, tensor<16x3x3x3xf16>) -> tensor<1x16x6x6xf16>
    %1 = "nn.reduce"(%0) {kind = "mean", axes = array<i64: 2, 3>, keep_dims = true} : (tensor<1x16x6x6xf16>) -> tensor<1x16x1x1xf16>
    %2 = "nn.conv"(%1, %s) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x16x1x1xf16>, tensor<4x16x1x1xf16>) -> tensor<1x4x1x1xf16>
    %3 = "nn.relu"(%2) : (tensor<1x4x1x1xf16>) -> tensor<1x4x1x1xf16>
    %4 = "nn.conv"(%3, %e) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x4x1x1xf16>, tensor<16x4x1x1xf16>) -> tensor<1x16x1x1xf16>
    %5 = "nn.conv"(%0, %v) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x16x6x6xf16>, tensor<8x16x1x1xf16>) -> tensor<1x8x6x6xf16>
    %6 = "nn.reduce"(%5) {kind = "mean", axes = array<i64: 2, 3>, keep_dims = true} : (tensor<1x8x6x6xf16>) -> tensor<1x8x1x1xf16>
    return %4, %6 : tensor<1x16x1x1xf16>, tensor<1x8x1x1xf16>
  }
}
