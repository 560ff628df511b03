// RUN: kernelwright opt %s --split-input-file --target=cuda:h200 --pass-pipeline=fold-norms | filecheck %s

// The product reads the rows as they are, with scaled weights. Sums of 64 columns of them, and of squares, are all that
// mean and deviation need; the bias is none.
// CHECK: %[[X:.*]] = "nn.add"
// CHECK: "nn.reshape"
// CHECK-SAME: tensor<128x4x64xf32>
// CHECK-NEXT: %[[SUMS:.*]] = "nn.reduce"(%{{.*}}) {kind = "add", axes = array<i64: 2>, keep_dims = false}
// CHECK: "nn.mul"
// CHECK-NEXT: "nn.reshape"
// CHECK-NEXT: %[[SQUARES:.*]] = "nn.reduce"
// CHECK-NOT: nn.layer_norm
// CHECK: value = dense<128.0> : tensor<512xf32>
// CHECK: value = dense<0.5> : tensor<256x512xf16>
// CHECK-DAG: "nn.reduce"(%[[SUMS]]) {kind = "add", axes = array<i64: 1>, keep_dims = true}
// CHECK-DAG: "nn.reduce"(%[[SQUARES]]) {kind = "add", axes = array<i64: 1>, keep_dims = true}
// CHECK: %[[FACTOR:.*]] = "nn.rsqrt"
// CHECK-NEXT: %[[P:.*]] = "nn.matmul"(%[[X]], %{{.*}}) {{.*}}to = f32
// CHECK-NEXT: "nn.mul"
// CHECK-NEXT: %[[D:.*]] = "nn.sub"(%[[P]]
// CHECK-NEXT: %[[Y:.*]] = "nn.mul"(%[[D]], %[[FACTOR]])
// CHECK-NEXT: "nn.cast"(%[[Y]]) {to = f16}
// CHECK-NEXT: return
module {
  func.func @main(%a: tensor<128x128xf16>, %r: tensor<128x256xf16>) -> tensor<128x512xf16> {
    %w = "nn.constant"() {value = dense<0.5> : tensor<128x256xf16>} : () -> tensor<128x256xf16>
    %g = "nn.constant"() {value = dense<2.0> : tensor<256xf32>} : () -> tensor<256xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x128xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %x = "nn.add"(%0, %r) : (tensor<128x256xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %v = "nn.constant"() {value = dense<0.25> : tensor<256x512xf16>} : () -> tensor<256x512xf16>
    %n = "nn.layer_norm"(%x, %g) {axis = 1 : i64, epsilon = 1.0e-05 : f64, operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<128x256xf16>, tensor<256xf32>) -> tensor<128x256xf16>
    %y = "nn.matmul"(%n, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x256xf16>, tensor<256x512xf16>) -> tensor<128x512xf16>
    return %y : tensor<128x512xf16>
  }
}

// -----

// A residual connection beside a product normalizes the rows as it reads them, in front of that product.
// CHECK-NOT: nn.layer_norm
// CHECK: "nn.rsqrt"
// CHECK: "nn.matmul"
// CHECK: "nn.rsqrt"
// CHECK: "nn.sub"
// CHECK: %[[N:.*]] = "nn.cast"(%{{.*}}) {to = f16}
// CHECK-NEXT: %[[P:.*]] = "nn.matmul"
// CHECK-NEXT: "nn.add"(%[[P]], %[[N]])
// CHECK-NEXT: return
module {
  func.func @main(%a: tensor<128x128xf16>, %r: tensor<128x256xf16>) -> tensor<128x256xf16> {
    %w = "nn.constant"() {value = dense<0.5> : tensor<128x256xf16>} : () -> tensor<128x256xf16>
    %g = "nn.constant"() {value = dense<2.0> : tensor<256xf32>} : () -> tensor<256xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x128xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %x = "nn.add"(%0, %r) : (tensor<128x256xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %v = "nn.constant"() {value = dense<0.25> : tensor<256x512xf16>} : () -> tensor<256x512xf16>
    %u = "nn.constant"() {value = dense<0.25> : tensor<512x256xf16>} : () -> tensor<512x256xf16>
    %n = "nn.layer_norm"(%x, %g) {axis = 1 : i64, epsilon = 1.0e-05 : f64, operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<128x256xf16>, tensor<256xf32>) -> tensor<128x256xf16>
    %y = "nn.matmul"(%n, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x256xf16>, tensor<256x512xf16>) -> tensor<128x512xf16>
    %1 = "nn.matmul"(%y, %u) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x512xf16>, tensor<512x256xf16>) -> tensor<128x256xf16>
    %z = "nn.add"(%1, %n) : (tensor<128x256xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    return %z : tensor<128x256xf16>
  }
}

// -----

// Rows in f32 have a copy in f16, and room for large ones; a root mean square takes no sums but of squares.
// CHECK: %[[X:.*]] = "nn.add"
// CHECK: value = dense<0.0625>
// CHECK: %[[ROWS:.*]] = "nn.cast"(%{{.*}}) {to = f16}
// CHECK-NOT: nn.rms_norm
// CHECK: "nn.rsqrt"
// CHECK-NEXT: %[[P:.*]] = "nn.matmul"(%[[ROWS]]
// CHECK-NEXT: "nn.mul"(%[[P]]
// CHECK: return
module {
  func.func @main(%a: tensor<128x128xf16>, %r: tensor<128x256xf32>) -> tensor<128x512xf16> {
    %w = "nn.constant"() {value = dense<0.5> : tensor<128x256xf16>} : () -> tensor<128x256xf16>
    %g = "nn.constant"() {value = dense<2.0> : tensor<256xf32>} : () -> tensor<256xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee", to = f32} : (tensor<128x128xf16>, tensor<128x256xf16>) -> tensor<128x256xf32>
    %x = "nn.add"(%0, %r) : (tensor<128x256xf32>, tensor<128x256xf32>) -> tensor<128x256xf32>
    %v = "nn.constant"() {value = dense<0.25> : tensor<256x512xf16>} : () -> tensor<256x512xf16>
    %q = "nn.rms_norm"(%x, %g) {axis = 1 : i64, epsilon = 1.0e-06 : f64} : (tensor<128x256xf32>, tensor<256xf32>) -> tensor<128x256xf32>
    %n = "nn.cast"(%q) {to = f16} : (tensor<128x256xf32>) -> tensor<128x256xf16>
    %y = "nn.matmul"(%n, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x256xf16>, tensor<256x512xf16>) -> tensor<128x512xf16>
    return %y : tensor<128x512xf16>
  }
}

// -----

// Who reads the rows normalized needs them in memory anyway.
// CHECK: func.func @main
// CHECK: nn.layer_norm
// CHECK-NEXT: "nn.matmul"
module {
  func.func @main(%a: tensor<128x128xf16>, %r: tensor<128x256xf16>) -> (tensor<128x512xf16>, tensor<128x256xf16>) {
    %w = "nn.constant"() {value = dense<0.5> : tensor<128x256xf16>} : () -> tensor<128x256xf16>
    %g = "nn.constant"() {value = dense<2.0> : tensor<256xf32>} : () -> tensor<256xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x128xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %x = "nn.add"(%0, %r) : (tensor<128x256xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %v = "nn.constant"() {value = dense<0.25> : tensor<256x512xf16>} : () -> tensor<256x512xf16>
    %n = "nn.layer_norm"(%x, %g) {axis = 1 : i64, epsilon = 1.0e-05 : f64, operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<128x256xf16>, tensor<256xf32>) -> tensor<128x256xf16>
    %y = "nn.matmul"(%n, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x256xf16>, tensor<256x512xf16>) -> tensor<128x512xf16>
    return %y, %n : tensor<128x512xf16>, tensor<128x256xf16>
  }
}

// -----

// Weights of run time cannot be scaled ahead.
// CHECK: func.func @main
// CHECK: nn.layer_norm
// CHECK-NEXT: "nn.matmul"
module {
  func.func @main(%a: tensor<128x128xf16>, %r: tensor<128x256xf16>, %v: tensor<256x512xf16>) -> tensor<128x512xf16> {
    %w = "nn.constant"() {value = dense<0.5> : tensor<128x256xf16>} : () -> tensor<128x256xf16>
    %g = "nn.constant"() {value = dense<2.0> : tensor<256xf32>} : () -> tensor<256xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x128xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %x = "nn.add"(%0, %r) : (tensor<128x256xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %n = "nn.layer_norm"(%x, %g) {axis = 1 : i64, epsilon = 1.0e-05 : f64, operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<128x256xf16>, tensor<256xf32>) -> tensor<128x256xf16>
    %y = "nn.matmul"(%n, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x256xf16>, tensor<256x512xf16>) -> tensor<128x512xf16>
    return %y : tensor<128x512xf16>
  }
}

// -----

// No product makes the rows.
// CHECK: func.func @main
// CHECK: nn.layer_norm
// CHECK-NEXT: "nn.matmul"
module {
  func.func @main(%x: tensor<128x256xf16>) -> tensor<128x512xf16> {
    %g = "nn.constant"() {value = dense<2.0> : tensor<256xf32>} : () -> tensor<256xf32>
    %v = "nn.constant"() {value = dense<0.25> : tensor<256x512xf16>} : () -> tensor<256x512xf16>
    %n = "nn.layer_norm"(%x, %g) {axis = 1 : i64, epsilon = 1.0e-05 : f64, operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<128x256xf16>, tensor<256xf32>) -> tensor<128x256xf16>
    %y = "nn.matmul"(%n, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x256xf16>, tensor<256x512xf16>) -> tensor<128x512xf16>
    return %y : tensor<128x512xf16>
  }
}

// -----

// Scaling weights that are needed as they are would double them.
// CHECK: func.func @main
// CHECK: nn.layer_norm
// CHECK-NEXT: "nn.matmul"
module {
  func.func @main(%a: tensor<128x128xf16>, %r: tensor<128x256xf16>) -> (tensor<128x512xf16>, tensor<256x512xf16>) {
    %w = "nn.constant"() {value = dense<0.5> : tensor<128x256xf16>} : () -> tensor<128x256xf16>
    %g = "nn.constant"() {value = dense<2.0> : tensor<256xf32>} : () -> tensor<256xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x128xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %x = "nn.add"(%0, %r) : (tensor<128x256xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %v = "nn.constant"() {value = dense<0.25> : tensor<256x512xf16>} : () -> tensor<256x512xf16>
    %n = "nn.layer_norm"(%x, %g) {axis = 1 : i64, epsilon = 1.0e-05 : f64, operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<128x256xf16>, tensor<256xf32>) -> tensor<128x256xf16>
    %y = "nn.matmul"(%n, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x256xf16>, tensor<256x512xf16>) -> tensor<128x512xf16>
    return %y, %v : tensor<128x512xf16>, tensor<256x512xf16>
  }
}

// -----

// In f32, the digits that a mean takes from the rows would be missed.
// CHECK: func.func @main
// CHECK: nn.layer_norm
// CHECK-NEXT: "nn.matmul"
module {
  func.func @main(%a: tensor<128x128xf32>, %r: tensor<128x256xf32>) -> tensor<128x512xf32> {
    %w = "nn.constant"() {value = dense<0.5> : tensor<128x256xf32>} : () -> tensor<128x256xf32>
    %g = "nn.constant"() {value = dense<2.0> : tensor<256xf32>} : () -> tensor<256xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x128xf32>, tensor<128x256xf32>) -> tensor<128x256xf32>
    %x = "nn.add"(%0, %r) : (tensor<128x256xf32>, tensor<128x256xf32>) -> tensor<128x256xf32>
    %v = "nn.constant"() {value = dense<0.25> : tensor<256x512xf32>} : () -> tensor<256x512xf32>
    %n = "nn.layer_norm"(%x, %g) {axis = 1 : i64, epsilon = 1.0e-05 : f64, operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<128x256xf32>, tensor<256xf32>) -> tensor<128x256xf32>
    %y = "nn.matmul"(%n, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x256xf32>, tensor<256x512xf32>) -> tensor<128x512xf32>
    return %y : tensor<128x512xf32>
  }
}
