// RUN: kernelwright opt %s --pass-pipeline=recognize-gelu,dce --split-input-file | filecheck %s
// RUN: kernelwright opt %s --pass-pipeline=canonicalize,recognize-gelu,dce --split-input-file | filecheck %s

// CHECK-LABEL: func.func @torchscript_spells_erf
func.func @torchscript_spells_erf(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: %0 = "nn.gelu"(%x) {approximate = "none"} : (tensor<4xf32>) -> tensor<4xf32> loc(fused["/Erf", "/Add", "/Mul_1", "/Mul", "/Div"])
  // CHECK-NEXT: return %0
  %root = "nn.constant"() {value = dense<1.4142135> : tensor<f32>} : () -> tensor<f32>
  %one = "nn.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "nn.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.div"(%x, %root) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32> loc("/Div")
  %1 = "nn.erf"(%0) : (tensor<4xf32>) -> tensor<4xf32> loc("/Erf")
  %2 = "nn.add"(%1, %one) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32> loc("/Add")
  %3 = "nn.mul"(%x, %2) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> loc("/Mul")
  %4 = "nn.mul"(%3, %half) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32> loc("/Mul_1")
  return %4 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @half_of_x_first
func.func @half_of_x_first(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: %0 = "nn.gelu"(%x) {approximate = "none"}
  // CHECK-NEXT: return %0
  %root = "nn.constant"() {value = dense<0.70710678> : tensor<f32>} : () -> tensor<f32>
  %one = "nn.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "nn.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.mul"(%x, %root) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = "nn.erf"(%0) : (tensor<4xf32>) -> tensor<4xf32>
  %2 = "nn.add"(%one, %1) : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = "nn.mul"(%half, %x) : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = "nn.mul"(%3, %2) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %4 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @gpt2_spells_tanh
func.func @gpt2_spells_tanh(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: %0 = "nn.gelu"(%x) {approximate = "tanh"}
  // CHECK-NEXT: return %0
  %three = "nn.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %a = "nn.constant"() {value = dense<0.044715> : tensor<f32>} : () -> tensor<f32>
  %b = "nn.constant"() {value = dense<0.7978846> : tensor<f32>} : () -> tensor<f32>
  %one = "nn.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "nn.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.mul"(%x, %half) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = "nn.pow"(%x, %three) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = "nn.mul"(%1, %a) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = "nn.add"(%x, %2) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = "nn.mul"(%3, %b) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %5 = "nn.tanh"(%4) : (tensor<4xf32>) -> tensor<4xf32>
  %6 = "nn.add"(%5, %one) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %7 = "nn.mul"(%0, %6) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %7 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @another_argument_of_erf
func.func @another_argument_of_erf(%x: tensor<4xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NOT: nn.gelu
  // CHECK: return
  %root = "nn.constant"() {value = dense<1.4142135> : tensor<f32>} : () -> tensor<f32>
  %one = "nn.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "nn.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.div"(%z, %root) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = "nn.erf"(%0) : (tensor<4xf32>) -> tensor<4xf32>
  %2 = "nn.add"(%1, %one) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = "nn.mul"(%x, %2) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = "nn.mul"(%3, %half) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %4 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @another_number
func.func @another_number(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NOT: nn.gelu
  // CHECK: return
  %root = "nn.constant"() {value = dense<1.5> : tensor<f32>} : () -> tensor<f32>
  %one = "nn.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "nn.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.div"(%x, %root) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = "nn.erf"(%0) : (tensor<4xf32>) -> tensor<4xf32>
  %2 = "nn.add"(%1, %one) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = "nn.mul"(%x, %2) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = "nn.mul"(%3, %half) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %4 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @in_front_of_weights
func.func @in_front_of_weights(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  // CHECK: "nn.gelu"(%x) {approximate = "none"}
  // CHECK-NEXT: "nn.matmul"
  // CHECK-NEXT: return
  %w = "nn.constant"() {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %root = "nn.constant"() {value = dense<1.4142135> : tensor<f32>} : () -> tensor<f32>
  %one = "nn.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "nn.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.div"(%x, %root) : (tensor<3x2xf32>, tensor<f32>) -> tensor<3x2xf32>
  %1 = "nn.erf"(%0) : (tensor<3x2xf32>) -> tensor<3x2xf32>
  %2 = "nn.add"(%1, %one) : (tensor<3x2xf32>, tensor<f32>) -> tensor<3x2xf32>
  %3 = "nn.mul"(%x, %2) : (tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<3x2xf32>
  %4 = "nn.mul"(%3, %half) : (tensor<3x2xf32>, tensor<f32>) -> tensor<3x2xf32>
  %5 = "nn.matmul"(%4, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32>
  return %5 : tensor<3x2xf32>
}
