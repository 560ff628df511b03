// RUN: kernelwright opt %s --pass-pipeline='lower-precision{to=f16},canonicalize' --split-input-file | filecheck %s
// RUN: kernelwright opt %s --pass-pipeline='lower-precision{to=tf32}' --split-input-file | filecheck %s --check-prefix=TF32
// RUN: kernelwright opt %s --pass-pipeline=lower-precision --split-input-file | filecheck %s --check-prefix=NONE

// CHECK-LABEL: func.func @inputs_and_outputs_keep_their_types
// TF32-LABEL: func.func @inputs_and_outputs_keep_their_types
func.func @inputs_and_outputs_keep_their_types(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {
  // CHECK-DAG: %[[X:.*]] = "nn.cast"(%x) {to = f16}
  // CHECK-DAG: %[[W:.*]] = "nn.cast"(%w) {to = f16}
  // CHECK: "nn.matmul"({{.*}}) {{.*}} : (tensor<4x8xf16>, tensor<8x8xf16>) -> tensor<4x8xf16>
  // CHECK-NEXT: "nn.relu"({{.*}}) : (tensor<4x8xf16>) -> tensor<4x8xf16>
  // CHECK-NEXT: "nn.cast"({{.*}}) {to = f32}
  // CHECK-NEXT: return {{.*}} : tensor<4x8xf32>
  // TF32-NEXT: "nn.matmul"(%x, %w) {{.*}}precision = "tf32"{{.*}} -> tensor<4x8xf32>
  // NONE: "nn.matmul"(%x, %w) {{.*}}precision = "ieee"
  %0 = "nn.matmul"(%x, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %1 = "nn.relu"(%0) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// -----

// CHECK-LABEL: func.func @attention_scores_stay_wide
func.func @attention_scores_stay_wide(%q: tensor<4x8xf16>, %k: tensor<4x8xf16>, %m: tensor<4x4xi1>) -> tensor<4x4xf16> {
  // CHECK: "nn.matmul"({{.*}}) {{.*}}to = f32{{.*}} : (tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<4x4xf32>
  // CHECK: "nn.where"({{.*}} -> tensor<4x4xf32>
  // CHECK: "nn.add"({{.*}} -> tensor<4x4xf32>
  // CHECK: "nn.softmax"({{.*}} -> tensor<4x4xf32>
  // CHECK-NEXT: "nn.cast"({{.*}}) {to = f16}
  // CHECK-NEXT: "nn.relu"({{.*}} -> tensor<4x4xf16>
  %a = "nn.cast"(%q) {to = f32} : (tensor<4x8xf16>) -> tensor<4x8xf32>
  %b = "nn.cast"(%k) {to = f32} : (tensor<4x8xf16>) -> tensor<4x8xf32>
  %low = "nn.constant"() {value = dense<-3.4028235e+38> : tensor<f32>} : () -> tensor<f32>
  %zero = "nn.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.matmul"(%a, %b) {trans_a = false, trans_b = true, precision = "ieee"} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x4xf32>
  %1 = "nn.where"(%m, %zero, %low) : (tensor<4x4xi1>, tensor<f32>, tensor<f32>) -> tensor<4x4xf32>
  %2 = "nn.add"(%0, %1) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = "nn.softmax"(%2) {axis = 1 : i64} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %4 = "nn.relu"(%3) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %5 = "nn.cast"(%4) {to = f16} : (tensor<4x4xf32>) -> tensor<4x4xf16>
  return %5 : tensor<4x4xf16>
}

// -----

// CHECK-LABEL: func.func @finite_numbers_stay_finite
func.func @finite_numbers_stay_finite(%m: tensor<4xi1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-DAG: dense<-6.55e+04> : tensor<f16>
  // CHECK-DAG: dense<0xFC00> : tensor<f16>
  // CHECK-NOT: nn.where{{.*}}f32
  // CHECK: return
  %low = "nn.constant"() {value = dense<-3.4028235e+38> : tensor<f32>} : () -> tensor<f32>
  %inf = "nn.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.where"(%m, %x, %low) : (tensor<4xi1>, tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = "nn.where"(%m, %0, %inf) : (tensor<4xi1>, tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @a_residual_stream_stays_wide
func.func @a_residual_stream_stays_wide(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {
  // CHECK: "nn.matmul"({{.*}}) {{.*}}to = f32{{.*}} -> tensor<4x8xf32>
  // CHECK-NEXT: "nn.add"(%x, {{.*}} -> tensor<4x8xf32>
  // CHECK-NEXT: "nn.rms_norm"({{.*}} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  // CHECK-NEXT: "nn.cast"({{.*}}) {to = f16}
  // CHECK-NEXT: "nn.matmul"({{.*}}) {{.*}}to = f32{{.*}} : (tensor<4x8xf16>, tensor<8x8xf16>) -> tensor<4x8xf32>
  // CHECK-NEXT: "nn.add"
  // CHECK-NEXT: return
  %0 = "nn.matmul"(%x, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %1 = "nn.add"(%x, %0) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %2 = "nn.rms_norm"(%1) {axis = 1 : i64, epsilon = 1.0e-06 : f64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %3 = "nn.matmul"(%2, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %4 = "nn.add"(%1, %3) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %4 : tensor<4x8xf32>
}

// -----

// CHECK-LABEL: func.func @integers_and_powers_stay_wide
func.func @integers_and_powers_stay_wide(%i: tensor<4xi64>, %x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xi64>, tensor<4xi1>) {
  // CHECK: "nn.cast"(%i) {to = f32}
  // CHECK: "nn.exp"(%x) : (tensor<4xf32>)
  // CHECK: "nn.mul"({{.*}} -> tensor<4xf32>
  // CHECK: "nn.cast"(%x) {to = i64}
  // CHECK: "nn.lt"({{.*}} : (tensor<4xf32>, tensor<4xf32>)
  %0 = "nn.cast"(%i) {to = f32} : (tensor<4xi64>) -> tensor<4xf32>
  %1 = "nn.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %2 = "nn.mul"(%0, %1) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = "nn.cast"(%x) {to = i64} : (tensor<4xf32>) -> tensor<4xi64>
  %4 = "nn.lt"(%0, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %2, %3, %4 : tensor<4xf32>, tensor<4xi64>, tensor<4xi1>
}

// -----

// CHECK-LABEL: func.func @regions_take_and_yield_f32
func.func @regions_take_and_yield_f32(%c: tensor<i1>, %x: tensor<3xf32>) -> tensor<3xf32> {
  // CHECK: %[[X:.*]] = "nn.cast"(%x) {to = f16}
  // CHECK: "nn.if"
  // CHECK: "nn.neg"({{.*}}) : (tensor<3xf16>)
  // CHECK: "nn.yield"({{.*}}) : (tensor<3xf32>)
  // CHECK: "nn.yield"(%x) : (tensor<3xf32>)
  %y = "nn.if"(%c) ({
    %0 = "nn.neg"(%x) : (tensor<3xf32>) -> tensor<3xf32>
    "nn.yield"(%0) : (tensor<3xf32>) -> ()
  }, {
    "nn.yield"(%x) : (tensor<3xf32>) -> ()
  }) : (tensor<i1>) -> tensor<3xf32>
  return %y : tensor<3xf32>
}
