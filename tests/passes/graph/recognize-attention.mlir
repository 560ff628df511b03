// RUN: kernelwright opt %s --pass-pipeline=recognize-attention --split-input-file | filecheck %s

// CHECK-LABEL: func.func @scaled_and_masked
func.func @scaled_and_masked(%q: tensor<2x3x5x4xf32>, %k: tensor<2x3x7x4xf32>, %v: tensor<2x3x7x6xf32>, %m: tensor<2x1x1x7xf32>) -> tensor<2x3x5x6xf32> {
  // CHECK-NEXT: %0 = "nn.attention"(%q, %k, %v, %m) {scale = 0.25 : f64, causal = false
  // CHECK-NEXT: return %0
  %s = "nn.matmul"(%q, %k) {trans_b = true} : (tensor<2x3x5x4xf32>, tensor<2x3x7x4xf32>) -> tensor<2x3x5x7xf32>
  %f = "nn.constant"() {value = dense<4.0> : tensor<f32>} : () -> tensor<f32>
  %1 = "nn.div"(%s, %f) : (tensor<2x3x5x7xf32>, tensor<f32>) -> tensor<2x3x5x7xf32>
  %2 = "nn.add"(%1, %m) : (tensor<2x3x5x7xf32>, tensor<2x1x1x7xf32>) -> tensor<2x3x5x7xf32>
  %w = "nn.softmax"(%2) {axis = 3 : i64} : (tensor<2x3x5x7xf32>) -> tensor<2x3x5x7xf32>
  %0 = "nn.matmul"(%w, %v) : (tensor<2x3x5x7xf32>, tensor<2x3x7x6xf32>) -> tensor<2x3x5x6xf32>
  return %0 : tensor<2x3x5x6xf32>
}

// -----

// Keys that were transposed before are read as they were; rank 3 gets a dim of size 1.
// CHECK-LABEL: func.func @rank_3
func.func @rank_3(%q: tensor<6x5x4xf32>, %k: tensor<6x4x7xf32>, %v: tensor<6x7x4xf32>) -> tensor<6x5x4xf32> {
  // CHECK: %[[K:.*]] = "nn.transpose"(%k) {perm = array<i64: 0, 2, 1>}
  // CHECK: %[[Q4:.*]] = "nn.reshape"(%q) : (tensor<6x5x4xf32>) -> tensor<1x6x5x4xf32>
  // CHECK: %[[K4:.*]] = "nn.reshape"(%[[K]])
  // CHECK: %[[V4:.*]] = "nn.reshape"(%v)
  // CHECK: %[[Y:.*]] = "nn.attention"(%[[Q4]], %[[K4]], %[[V4]]) {scale = 1.0 : f64
  // CHECK-NEXT: "nn.reshape"(%[[Y]]) : (tensor<1x6x5x4xf32>) -> tensor<6x5x4xf32>
  %s = "nn.matmul"(%q, %k) : (tensor<6x5x4xf32>, tensor<6x4x7xf32>) -> tensor<6x5x7xf32>
  %w = "nn.softmax"(%s) {axis = 2 : i64} : (tensor<6x5x7xf32>) -> tensor<6x5x7xf32>
  %0 = "nn.matmul"(%w, %v) : (tensor<6x5x7xf32>, tensor<6x7x4xf32>) -> tensor<6x5x4xf32>
  return %0 : tensor<6x5x4xf32>
}

// -----

// Each key head serves three query heads.
// CHECK-LABEL: func.func @grouped_query
func.func @grouped_query(%q: tensor<1x6x5x4xf32>, %k: tensor<1x2x7x4xf32>, %v: tensor<1x2x7x4xf32>) -> tensor<1x6x5x4xf32> {
  // CHECK: %[[K:.*]] = "nn.reshape"(%{{.*}}) : (tensor<1x2x1x7x4xf32>) -> tensor<1x2x7x4xf32>
  // CHECK: %[[V:.*]] = "nn.reshape"(%{{.*}}) : (tensor<1x2x1x7x4xf32>) -> tensor<1x2x7x4xf32>
  // CHECK: "nn.attention"(%q, %[[K]], %[[V]])
  %k1 = "nn.reshape"(%k) : (tensor<1x2x7x4xf32>) -> tensor<1x2x1x7x4xf32>
  %k2 = "nn.broadcast_to"(%k1) : (tensor<1x2x1x7x4xf32>) -> tensor<1x2x3x7x4xf32>
  %k3 = "nn.reshape"(%k2) : (tensor<1x2x3x7x4xf32>) -> tensor<1x6x7x4xf32>
  %v1 = "nn.reshape"(%v) : (tensor<1x2x7x4xf32>) -> tensor<1x2x1x7x4xf32>
  %v2 = "nn.broadcast_to"(%v1) : (tensor<1x2x1x7x4xf32>) -> tensor<1x2x3x7x4xf32>
  %v3 = "nn.reshape"(%v2) : (tensor<1x2x3x7x4xf32>) -> tensor<1x6x7x4xf32>
  %s = "nn.matmul"(%q, %k3) {trans_b = true} : (tensor<1x6x5x4xf32>, tensor<1x6x7x4xf32>) -> tensor<1x6x5x7xf32>
  %w = "nn.softmax"(%s) {axis = 3 : i64} : (tensor<1x6x5x7xf32>) -> tensor<1x6x5x7xf32>
  %0 = "nn.matmul"(%w, %v3) : (tensor<1x6x5x7xf32>, tensor<1x6x7x4xf32>) -> tensor<1x6x5x4xf32>
  return %0 : tensor<1x6x5x4xf32>
}

// -----

// A bias, a causal mask of iotas behind a cache, and a guard against queries that see no key.
// CHECK-LABEL: func.func @causal_on_a_cache
func.func @causal_on_a_cache(%q: tensor<1x2x?x4xf32, #kw.dims<"seq">>, %k: tensor<1x2x?x4xf32, #kw.dims<"past + seq">>, %b: tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>) -> tensor<1x2x?x4xf32, #kw.dims<"seq">> {
  // CHECK: "nn.attention"(%q, %k, %k, %b) {scale = 1.0 : f64, causal = true, offset = "past"
  %zero = "nn.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %low = "nn.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %i = "nn.iota"() {axis = 0 : i64, start = "past"} : () -> tensor<?x1xi64, #kw.dims<"seq">>
  %j = "nn.iota"() {axis = 1 : i64} : () -> tensor<1x?xi64, #kw.dims<"past + seq">>
  %hidden = "nn.gt"(%j, %i) : (tensor<1x?xi64, #kw.dims<"past + seq">>, tensor<?x1xi64, #kw.dims<"seq">>) -> tensor<?x?xi1, #kw.dims<"seq", "past + seq">>
  %s = "nn.matmul"(%q, %k) {trans_b = true} : (tensor<1x2x?x4xf32, #kw.dims<"seq">>, tensor<1x2x?x4xf32, #kw.dims<"past + seq">>) -> tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>
  %s1 = "nn.add"(%s, %b) : (tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>, tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>) -> tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>
  %s2 = "nn.where"(%hidden, %low, %zero) : (tensor<?x?xi1, #kw.dims<"seq", "past + seq">>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32, #kw.dims<"seq", "past + seq">>
  %s3 = "nn.add"(%s2, %s1) : (tensor<?x?xf32, #kw.dims<"seq", "past + seq">>, tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>) -> tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>
  %w = "nn.softmax"(%s3) {axis = 3 : i64} : (tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>) -> tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>
  %n = "nn.is_nan"(%w) : (tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>) -> tensor<1x2x?x?xi1, #kw.dims<"seq", "past + seq">>
  %g = "nn.where"(%n, %zero, %w) : (tensor<1x2x?x?xi1, #kw.dims<"seq", "past + seq">>, tensor<f32>, tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>) -> tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>
  %0 = "nn.matmul"(%g, %k) : (tensor<1x2x?x?xf32, #kw.dims<"seq", "past + seq">>, tensor<1x2x?x4xf32, #kw.dims<"past + seq">>) -> tensor<1x2x?x4xf32, #kw.dims<"seq">>
  return %0 : tensor<1x2x?x4xf32, #kw.dims<"seq">>
}

// -----

// A constant triangle is no memory to read, and padding is left of a mask with one in it.
// CHECK-LABEL: func.func @triangles
func.func @triangles(%q: tensor<1x1x2x4xf32>, %pad: tensor<1x1x1x2xi1>) -> (tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>) {
  // CHECK: %[[A:.*]] = "nn.attention"(%q, %q, %q) {scale = 1.0 : f64, causal = true, offset = 0
  // CHECK: %[[B:.*]] = "nn.attention"(%q, %q, %q, %pad) {scale = 1.0 : f64, causal = true, offset = 0
  %tri = "nn.constant"() {value = dense<[[0.0, -10000.0], [0.0, 0.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %see = "nn.constant"() {value = dense<[[true, false], [true, true]]> : tensor<2x2xi1>} : () -> tensor<2x2xi1>
  %low = "nn.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %s = "nn.matmul"(%q, %q) {trans_b = true} : (tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>) -> tensor<1x1x2x2xf32>
  %s1 = "nn.add"(%s, %tri) : (tensor<1x1x2x2xf32>, tensor<2x2xf32>) -> tensor<1x1x2x2xf32>
  %w = "nn.softmax"(%s1) {axis = 3 : i64} : (tensor<1x1x2x2xf32>) -> tensor<1x1x2x2xf32>
  %a = "nn.matmul"(%w, %q) : (tensor<1x1x2x2xf32>, tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32>
  %both = "nn.and"(%see, %pad) : (tensor<2x2xi1>, tensor<1x1x1x2xi1>) -> tensor<1x1x2x2xi1>
  %t = "nn.matmul"(%q, %q) {trans_b = true} : (tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>) -> tensor<1x1x2x2xf32>
  %t1 = "nn.where"(%both, %t, %low) : (tensor<1x1x2x2xi1>, tensor<1x1x2x2xf32>, tensor<f32>) -> tensor<1x1x2x2xf32>
  %x = "nn.softmax"(%t1) {axis = 3 : i64} : (tensor<1x1x2x2xf32>) -> tensor<1x1x2x2xf32>
  %b = "nn.matmul"(%x, %q) : (tensor<1x1x2x2xf32>, tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32>
  return %a, %b : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>
}

// -----

// A finite number in padded places makes a query without keys weigh all of them, so the triangle stays in the mask.
// CHECK-LABEL: func.func @padding_with_a_finite_number
func.func @padding_with_a_finite_number(%q: tensor<1x1x2x4xf32>, %pad: tensor<1x1x1x2xi1>) -> tensor<1x1x2x4xf32> {
  // CHECK: "nn.attention"(%q, %q, %q, %{{.*}}) {scale = 1.0 : f64, causal = false
  %see = "nn.constant"() {value = dense<[[true, false], [true, true]]> : tensor<2x2xi1>} : () -> tensor<2x2xi1>
  %low = "nn.constant"() {value = dense<-3.0e+38> : tensor<f32>} : () -> tensor<f32>
  %both = "nn.and"(%see, %pad) : (tensor<2x2xi1>, tensor<1x1x1x2xi1>) -> tensor<1x1x2x2xi1>
  %t = "nn.matmul"(%q, %q) {trans_b = true} : (tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>) -> tensor<1x1x2x2xf32>
  %t1 = "nn.where"(%both, %t, %low) : (tensor<1x1x2x2xi1>, tensor<1x1x2x2xf32>, tensor<f32>) -> tensor<1x1x2x2xf32>
  %x = "nn.softmax"(%t1) {axis = 3 : i64} : (tensor<1x1x2x2xf32>) -> tensor<1x1x2x2xf32>
  %b = "nn.matmul"(%x, %q) : (tensor<1x1x2x2xf32>, tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32>
  return %b : tensor<1x1x2x4xf32>
}

// -----

// CHECK-LABEL: func.func @no_attention
func.func @no_attention(%q: tensor<1x2x5x4xf32>, %b: tensor<1x2x5x5xf32>) -> (tensor<1x2x5x4xf32>, tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>) {
  // CHECK-NOT: nn.attention
  // CHECK: return
  %s = "nn.matmul"(%q, %q) {trans_b = true} : (tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x5x5xf32>
  // The weights are a result too.
  %w = "nn.softmax"(%s) {axis = 3 : i64} : (tensor<1x2x5x5xf32>) -> tensor<1x2x5x5xf32>
  %0 = "nn.matmul"(%w, %q) : (tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32>
  // Along the queries.
  %s1 = "nn.matmul"(%q, %q) {trans_b = true} : (tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x5x5xf32>
  %w1 = "nn.softmax"(%s1) {axis = 2 : i64} : (tensor<1x2x5x5xf32>) -> tensor<1x2x5x5xf32>
  %1 = "nn.matmul"(%w1, %q) : (tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32>
  // Scaled by a tensor.
  %s2 = "nn.matmul"(%q, %q) {trans_b = true} : (tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x5x5xf32>
  %t2 = "nn.mul"(%s2, %b) : (tensor<1x2x5x5xf32>, tensor<1x2x5x5xf32>) -> tensor<1x2x5x5xf32>
  %w2 = "nn.softmax"(%t2) {axis = 3 : i64} : (tensor<1x2x5x5xf32>) -> tensor<1x2x5x5xf32>
  %2 = "nn.matmul"(%w2, %q) : (tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32>
  // No softmax of a product.
  %w3 = "nn.softmax"(%b) {axis = 3 : i64} : (tensor<1x2x5x5xf32>) -> tensor<1x2x5x5xf32>
  %3 = "nn.matmul"(%w3, %q) : (tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32>
  return %0, %w, %1, %2, %3 : tensor<1x2x5x4xf32>, tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>
}
