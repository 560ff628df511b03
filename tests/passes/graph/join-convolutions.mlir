// RUN: kernelwright opt %s --pass-pipeline=join-convolutions --split-input-file | filecheck %s

// The part of a concatenation comes last where the concatenation goes on behind it; the branch that ends without relu
// has no bound.
// CHECK: func.func @main
// CHECK: %[[W:.*]] = "nn.concat"({{.*}}) {axis = 0 : i64}
// CHECK-SAME: -> tensor<14x8x1x1xf32>
// CHECK: %[[C:.*]] = "nn.conv"(%x, %[[W]])
// CHECK-SAME: -> tensor<1x14x4x4xf32>
// CHECK: %[[M:.*]] = "nn.max"(%[[C]],
// CHECK: "nn.slice"(%[[M]]) {starts = array<i64: 0, 0,
// CHECK: "nn.slice"(%[[M]]) {starts = array<i64: 0, 2,
// CHECK: %[[P:.*]] = "nn.slice"(%[[M]]) {starts = array<i64: 0, 6,
// CHECK-COUNT-1: "nn.conv"
// CHECK: "nn.concat"(%[[P]],
func.func @main(%x: tensor<1x8x4x4xf32>) -> (tensor<1x16x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x4x4x4xf32>) {
  %a = "nn.constant"() {value = dense<1.0> : tensor<8x8x1x1xf32>} : () -> tensor<8x8x1x1xf32>
  %b = "nn.constant"() {value = dense<2.0> : tensor<2x8x1x1xf32>} : () -> tensor<2x8x1x1xf32>
  %c = "nn.constant"() {value = dense<3.0> : tensor<4x8x1x1xf32>} : () -> tensor<4x8x1x1xf32>
  %d = "nn.constant"() {value = dense<4.0> : tensor<8x8x3x3xf32>} : () -> tensor<8x8x3x3xf32>
  %0 = "nn.conv"(%x, %a) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %1 = "nn.relu"(%0) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
  %2 = "nn.conv"(%x, %b) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<2x8x1x1xf32>) -> tensor<1x2x4x4xf32>
  %3 = "nn.conv"(%x, %c) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<4x8x1x1xf32>) -> tensor<1x4x4x4xf32>
  %4 = "nn.relu"(%3) : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %5 = "nn.conv"(%x, %d) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x3x3xf32>) -> tensor<1x8x4x4xf32>
  %6 = "nn.concat"(%1, %5) {axis = 1 : i64} : (tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>) -> tensor<1x16x4x4xf32>
  %7 = "nn.mul"(%2, %2) : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %8 = "nn.exp"(%4) : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  return %6, %7, %8 : tensor<1x16x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x4x4x4xf32>
}

// -----

// Equal activations are one; the part at the end of a concatenation comes first.
// CHECK: func.func @main
// CHECK: %[[C:.*]] = "nn.conv"
// CHECK-SAME: -> tensor<1x12x4x4xf32>
// CHECK: %[[R:.*]] = "nn.silu"(%[[C]])
// CHECK: %[[P:.*]] = "nn.slice"(%[[R]]) {starts = array<i64: 0, 0,
// CHECK: "nn.slice"(%[[R]]) {starts = array<i64: 0, 8,
// CHECK: "nn.concat"(%x, %[[P]])
func.func @main(%x: tensor<1x8x4x4xf32>) -> (tensor<1x16x4x4xf32>, tensor<1x4x4x4xf32>) {
  %a = "nn.constant"() {value = dense<1.0> : tensor<8x8x1x1xf32>} : () -> tensor<8x8x1x1xf32>
  %b = "nn.constant"() {value = dense<2.0> : tensor<4x8x1x1xf32>} : () -> tensor<4x8x1x1xf32>
  %0 = "nn.conv"(%x, %b) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<4x8x1x1xf32>) -> tensor<1x4x4x4xf32>
  %1 = "nn.silu"(%0) : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %2 = "nn.conv"(%x, %a) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %3 = "nn.silu"(%2) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
  %4 = "nn.exp"(%1) : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %5 = "nn.concat"(%x, %3) {axis = 1 : i64} : (tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>) -> tensor<1x16x4x4xf32>
  return %5, %4 : tensor<1x16x4x4xf32>, tensor<1x4x4x4xf32>
}

// -----

// Parts amid others are joined with each other alone.
// CHECK: func.func @main
// CHECK: "nn.conv"{{.*}} -> tensor<1x8x4x4xf32>
// CHECK: "nn.conv"{{.*}} -> tensor<1x6x4x4xf32>
// CHECK-NOT: "nn.conv"
func.func @main(%x: tensor<1x8x4x4xf32>) -> (tensor<1x24x4x4xf32>, tensor<1x4x4x4xf32>, tensor<1x2x4x4xf32>) {
  %a = "nn.constant"() {value = dense<1.0> : tensor<4x8x1x1xf32>} : () -> tensor<4x8x1x1xf32>
  %b = "nn.constant"() {value = dense<2.0> : tensor<4x8x1x1xf32>} : () -> tensor<4x8x1x1xf32>
  %c = "nn.constant"() {value = dense<2.0> : tensor<2x8x1x1xf32>} : () -> tensor<2x8x1x1xf32>
  %0 = "nn.conv"(%x, %a) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<4x8x1x1xf32>) -> tensor<1x4x4x4xf32>
  %1 = "nn.conv"(%x, %b) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<4x8x1x1xf32>) -> tensor<1x4x4x4xf32>
  %2 = "nn.conv"(%x, %b) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<4x8x1x1xf32>) -> tensor<1x4x4x4xf32>
  %3 = "nn.conv"(%x, %c) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<2x8x1x1xf32>) -> tensor<1x2x4x4xf32>
  %4 = "nn.mul"(%2, %2) : (tensor<1x4x4x4xf32>, tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %5 = "nn.mul"(%3, %3) : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %6 = "nn.concat"(%x, %0, %1, %x) {axis = 1 : i64} : (tensor<1x8x4x4xf32>, tensor<1x4x4x4xf32>, tensor<1x4x4x4xf32>, tensor<1x8x4x4xf32>) -> tensor<1x24x4x4xf32>
  return %6, %4, %5 : tensor<1x24x4x4xf32>, tensor<1x4x4x4xf32>, tensor<1x2x4x4xf32>
}

// -----

// Not joined: another geometry, other activations, weights that are not known, groups, a result that is returned.
// CHECK: func.func @main
// CHECK-COUNT-6: "nn.conv"
// CHECK-NOT: "nn.slice"
func.func @main(%x: tensor<1x8x4x4xf32>, %v: tensor<8x8x1x1xf32>) -> (tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>) {
  %a = "nn.constant"() {value = dense<1.0> : tensor<8x8x1x1xf32>} : () -> tensor<8x8x1x1xf32>
  %b = "nn.constant"() {value = dense<2.0> : tensor<8x8x3x3xf32>} : () -> tensor<8x8x3x3xf32>
  %g = "nn.constant"() {value = dense<1.0> : tensor<8x4x1x1xf32>} : () -> tensor<8x4x1x1xf32>
  %0 = "nn.conv"(%x, %a) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %1 = "nn.silu"(%0) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
  %2 = "nn.conv"(%x, %a) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %3 = "nn.tanh"(%2) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
  %4 = "nn.conv"(%x, %b) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x3x3xf32>) -> tensor<1x8x4x4xf32>
  %5 = "nn.conv"(%x, %v) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %6 = "nn.conv"(%x, %g) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 2 : i64} : (tensor<1x8x4x4xf32>, tensor<8x4x1x1xf32>) -> tensor<1x8x4x4xf32>
  %7 = "nn.conv"(%x, %a) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %8 = "nn.exp"(%6) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
  return %1, %3, %4, %5, %7, %8 : tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>
}

// -----

// Not joined: the channels of several images lie apart.
// CHECK: func.func @main
// CHECK-COUNT-2: "nn.conv"
// CHECK-NOT: "nn.slice"
func.func @main(%x: tensor<?x8x4x4xf32, #kw.dims<"batch">>) -> (tensor<?x8x4x4xf32, #kw.dims<"batch">>, tensor<?x8x4x4xf32, #kw.dims<"batch">>) {
  %a = "nn.constant"() {value = dense<1.0> : tensor<8x8x1x1xf32>} : () -> tensor<8x8x1x1xf32>
  %0 = "nn.conv"(%x, %a) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<?x8x4x4xf32, #kw.dims<"batch">>, tensor<8x8x1x1xf32>) -> tensor<?x8x4x4xf32, #kw.dims<"batch">>
  %1 = "nn.relu"(%0) : (tensor<?x8x4x4xf32, #kw.dims<"batch">>) -> tensor<?x8x4x4xf32, #kw.dims<"batch">>
  %2 = "nn.conv"(%x, %a) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<?x8x4x4xf32, #kw.dims<"batch">>, tensor<8x8x1x1xf32>) -> tensor<?x8x4x4xf32, #kw.dims<"batch">>
  %3 = "nn.exp"(%1) : (tensor<?x8x4x4xf32, #kw.dims<"batch">>) -> tensor<?x8x4x4xf32, #kw.dims<"batch">>
  %4 = "nn.exp"(%2) : (tensor<?x8x4x4xf32, #kw.dims<"batch">>) -> tensor<?x8x4x4xf32, #kw.dims<"batch">>
  return %3, %4 : tensor<?x8x4x4xf32, #kw.dims<"batch">>, tensor<?x8x4x4xf32, #kw.dims<"batch">>
}
