// RUN: kernelwright opt %s --pass-pipeline=recognize-activations,dce --split-input-file | filecheck %s

// CHECK-LABEL: func.func @gates
func.func @gates(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  // CHECK-NEXT: %0 = "nn.silu"(%x)
  // CHECK-NEXT: %1 = "nn.hard_swish"(%x)
  // CHECK-NEXT: %2 = "nn.mish"(%x)
  // CHECK-NEXT: return %0, %1, %2
  %s = "nn.sigmoid"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %0 = "nn.mul"(%x, %s) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %h = "nn.hard_sigmoid"(%x) {alpha = 0.16666667 : f64, beta = 0.5 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.mul"(%h, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %p = "nn.softplus"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %t = "nn.tanh"(%p) : (tensor<4xf32>) -> tensor<4xf32>
  %2 = "nn.mul"(%x, %t) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @by_clipping
func.func @by_clipping(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK-NEXT: %0 = "nn.hard_sigmoid"(%x)
  // CHECK-NEXT: %1 = "nn.hard_swish"(%x)
  // CHECK-NEXT: return %0, %1
  %zero = "nn.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %three = "nn.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %six = "nn.constant"() {value = dense<6.0> : tensor<f32>} : () -> tensor<f32>
  %a = "nn.add"(%x, %three) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %c = "nn.clip"(%a, %zero, %six) {operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  %0 = "nn.div"(%c, %six) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %p = "nn.mul"(%x, %c) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.div"(%p, %six) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @by_exponentials
func.func @by_exponentials(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK-NEXT: %0 = "nn.sigmoid"(%x)
  // CHECK-NEXT: %1 = "nn.softplus"(%x)
  // CHECK-NEXT: return %0, %1
  %one = "nn.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %n = "nn.neg"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %a = "nn.exp"(%n) : (tensor<4xf32>) -> tensor<4xf32>
  %b = "nn.add"(%one, %a) : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %0 = "nn.reciprocal"(%b) : (tensor<4xf32>) -> tensor<4xf32>
  %c = "nn.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %d = "nn.add"(%c, %one) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = "nn.log"(%d) : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @gates_of_something_else
func.func @gates_of_something_else(%x: tensor<4xf32>, %z: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK: "nn.sigmoid"
  // CHECK: "nn.mul"
  // CHECK: "nn.hard_sigmoid"
  // CHECK: "nn.mul"
  %s = "nn.sigmoid"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %0 = "nn.mul"(%z, %s) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %h = "nn.hard_sigmoid"(%x) {alpha = 0.2 : f64, beta = 0.5 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.mul"(%h, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
