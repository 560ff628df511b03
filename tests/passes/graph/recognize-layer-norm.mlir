// RUN: kernelwright opt %s --pass-pipeline=canonicalize,recognize-layer-norm,dce --split-input-file | filecheck %s

// CHECK-LABEL: func.func @layer_norm
func.func @layer_norm(%x: tensor<2x5x7xf32>, %s: tensor<7xf32>, %b: tensor<7xf32>) -> tensor<2x5x7xf32> {
  // CHECK-NEXT: %0 = "nn.layer_norm"(%x, %s, %b) {axis = 2 : i64, epsilon = {{.*}} : f64, operandSegmentSizes = array<i32: 1, 1, 1>}
  // CHECK-NEXT: return %0
  %two = "nn.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %e = "nn.constant"() {value = dense<1.0e-05> : tensor<f32>} : () -> tensor<f32>
  %m = "nn.reduce"(%x) {kind = "mean", axes = array<i64: 2>, keep_dims = true} : (tensor<2x5x7xf32>) -> tensor<2x5x1xf32>
  %c = "nn.sub"(%x, %m) : (tensor<2x5x7xf32>, tensor<2x5x1xf32>) -> tensor<2x5x7xf32>
  %q = "nn.pow"(%c, %two) : (tensor<2x5x7xf32>, tensor<f32>) -> tensor<2x5x7xf32>
  %v = "nn.reduce"(%q) {kind = "mean", axes = array<i64: 2>, keep_dims = true} : (tensor<2x5x7xf32>) -> tensor<2x5x1xf32>
  %0 = "nn.add"(%v, %e) : (tensor<2x5x1xf32>, tensor<f32>) -> tensor<2x5x1xf32>
  %1 = "nn.sqrt"(%0) : (tensor<2x5x1xf32>) -> tensor<2x5x1xf32>
  %2 = "nn.div"(%c, %1) : (tensor<2x5x7xf32>, tensor<2x5x1xf32>) -> tensor<2x5x7xf32>
  %3 = "nn.mul"(%2, %s) : (tensor<2x5x7xf32>, tensor<7xf32>) -> tensor<2x5x7xf32>
  %4 = "nn.add"(%3, %b) : (tensor<2x5x7xf32>, tensor<7xf32>) -> tensor<2x5x7xf32>
  return %4 : tensor<2x5x7xf32>
}

// -----

// CHECK-LABEL: func.func @t5_divides_one_by_the_root
func.func @t5_divides_one_by_the_root(%x: tensor<2x7xf32>, %s: tensor<7xf32>) -> tensor<2x7xf32> {
  // CHECK-NEXT: %0 = "nn.rms_norm"(%x, %s) {axis = 1 : i64, epsilon = 9.{{.*}}e-07 : f64}
  // CHECK-NEXT: return %0
  %two = "nn.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %one = "nn.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %e = "nn.constant"() {value = dense<1.0e-06> : tensor<f32>} : () -> tensor<f32>
  %q = "nn.pow"(%x, %two) : (tensor<2x7xf32>, tensor<f32>) -> tensor<2x7xf32>
  %v = "nn.reduce"(%q) {kind = "mean", axes = array<i64: 1>, keep_dims = true} : (tensor<2x7xf32>) -> tensor<2x1xf32>
  %0 = "nn.add"(%v, %e) : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %1 = "nn.sqrt"(%0) : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %2 = "nn.div"(%one, %1) : (tensor<f32>, tensor<2x1xf32>) -> tensor<2x1xf32>
  %3 = "nn.mul"(%x, %2) : (tensor<2x7xf32>, tensor<2x1xf32>) -> tensor<2x7xf32>
  %4 = "nn.mul"(%s, %3) : (tensor<7xf32>, tensor<2x7xf32>) -> tensor<2x7xf32>
  return %4 : tensor<2x7xf32>
}

// -----

// CHECK-LABEL: func.func @not_over_the_last_axis
func.func @not_over_the_last_axis(%x: tensor<2x7xf32>) -> tensor<2x7xf32> {
  // CHECK-NOT: norm"
  // CHECK: return
  %e = "nn.constant"() {value = dense<1.0e-06> : tensor<f32>} : () -> tensor<f32>
  %q = "nn.mul"(%x, %x) : (tensor<2x7xf32>, tensor<2x7xf32>) -> tensor<2x7xf32>
  %v = "nn.reduce"(%q) {kind = "mean", axes = array<i64: 0>, keep_dims = true} : (tensor<2x7xf32>) -> tensor<1x7xf32>
  %0 = "nn.add"(%v, %e) : (tensor<1x7xf32>, tensor<f32>) -> tensor<1x7xf32>
  %1 = "nn.rsqrt"(%0) : (tensor<1x7xf32>) -> tensor<1x7xf32>
  %2 = "nn.mul"(%x, %1) : (tensor<2x7xf32>, tensor<1x7xf32>) -> tensor<2x7xf32>
  return %2 : tensor<2x7xf32>
}

// -----

// CHECK-LABEL: func.func @what_is_scaled_is_something_else
func.func @what_is_scaled_is_something_else(%x: tensor<2x7xf32>, %z: tensor<2x7xf32>) -> tensor<2x7xf32> {
  // CHECK-NOT: norm"
  // CHECK: return
  %e = "nn.constant"() {value = dense<1.0e-06> : tensor<f32>} : () -> tensor<f32>
  %q = "nn.mul"(%x, %x) : (tensor<2x7xf32>, tensor<2x7xf32>) -> tensor<2x7xf32>
  %v = "nn.reduce"(%q) {kind = "mean", axes = array<i64: 1>, keep_dims = true} : (tensor<2x7xf32>) -> tensor<2x1xf32>
  %0 = "nn.add"(%v, %e) : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %1 = "nn.rsqrt"(%0) : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %2 = "nn.mul"(%z, %1) : (tensor<2x7xf32>, tensor<2x1xf32>) -> tensor<2x7xf32>
  return %2 : tensor<2x7xf32>
}

// -----

// CHECK-LABEL: func.func @a_residual_is_no_bias
func.func @a_residual_is_no_bias(%x: tensor<2x7xf32>, %z: tensor<2x7xf32>) -> tensor<2x7xf32> {
  // CHECK-NEXT: %0 = "nn.layer_norm"(%x) {axis = 1
  // CHECK-NEXT: %1 = "nn.add"(%0, %z)
  %0 = "nn.layer_norm"(%x) {axis = 1 : i64, epsilon = 1.0e-05 : f64, operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<2x7xf32>) -> tensor<2x7xf32>
  %1 = "nn.add"(%0, %z) : (tensor<2x7xf32>, tensor<2x7xf32>) -> tensor<2x7xf32>
  return %1 : tensor<2x7xf32>
}
