// RUN: kernelwright opt %s --pass-pipeline=canonicalize --split-input-file | filecheck %s

// CHECK-LABEL: func.func @views_that_change_nothing
func.func @views_that_change_nothing(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: return %x
  %0 = "nn.reshape"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = "nn.transpose"(%0) {perm = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = "nn.slice"(%1) {starts = array<i64: 0, 0>, ends = array<i64: 2, 3>, steps = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %3 = "nn.cast"(%2) {to = f32} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %4 = "nn.tile"(%3) {repeats = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %5 = "nn.pad"(%4) {low = array<i64: 0, 0>, high = array<i64: 0, 0>, mode = "edge", value = 0.0 : f64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %6 = "nn.concat"(%5) {axis = 0 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %6 : tensor<2x3xf32>
}

// -----

// CHECK-LABEL: func.func @views_that_change_something
func.func @views_that_change_something(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  // CHECK-NEXT: %0 = "nn.transpose"
  // CHECK-NEXT: %1 = "nn.slice"
  %0 = "nn.transpose"(%x) {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = "nn.slice"(%x) {starts = array<i64: 1, 0>, ends = array<i64: -1, 2>, steps = array<i64: -1, 1>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %0, %1 : tensor<2x2xf32>, tensor<2x2xf32>
}

// -----

// CHECK-LABEL: func.func @neighbouring_views_merge
func.func @neighbouring_views_merge(%x: tensor<2x6x4xf32>) -> (tensor<48xf32>, tensor<4x2x6xf32>, tensor<1x1x4xf32>) {
  // CHECK-NEXT: %0 = "nn.reshape"(%x) : (tensor<2x6x4xf32>) -> tensor<48xf32>
  // CHECK-NEXT: %1 = "nn.transpose"(%x) {perm = array<i64: 2, 0, 1>}
  // CHECK-NEXT: %2 = "nn.slice"(%x) {starts = array<i64: 1, 5, 0>, ends = array<i64: 2, 6, 4>, steps = array<i64: 1, 2, 1>}
  // CHECK-NEXT: return
  %a = "nn.reshape"(%x) : (tensor<2x6x4xf32>) -> tensor<12x4xf32>
  %0 = "nn.reshape"(%a) : (tensor<12x4xf32>) -> tensor<48xf32>
  %b = "nn.transpose"(%x) {perm = array<i64: 2, 1, 0>} : (tensor<2x6x4xf32>) -> tensor<4x6x2xf32>
  %1 = "nn.transpose"(%b) {perm = array<i64: 0, 2, 1>} : (tensor<4x6x2xf32>) -> tensor<4x2x6xf32>
  %c = "nn.slice"(%x) {starts = array<i64: 0, 1, 0>, ends = array<i64: 2, 6, 4>, steps = array<i64: 1, 2, 1>} : (tensor<2x6x4xf32>) -> tensor<2x3x4xf32>
  %2 = "nn.slice"(%c) {starts = array<i64: 1, 2, 0>, ends = array<i64: 2, 3, 4>, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<1x1x4xf32>
  return %0, %1, %2 : tensor<48xf32>, tensor<4x2x6xf32>, tensor<1x1x4xf32>
}

// -----

// CHECK-LABEL: func.func @moving_ones_is_a_reshape
func.func @moving_ones_is_a_reshape(%x: tensor<2x1x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x2x1x4xf32>) {
  // CHECK-NEXT: %0 = "nn.reshape"(%x)
  // CHECK-NEXT: %1 = "nn.reshape"(%x)
  %0 = "nn.transpose"(%x) {perm = array<i64: 1, 0, 2>} : (tensor<2x1x4xf32>) -> tensor<1x2x4xf32>
  %1 = "nn.broadcast_to"(%x) : (tensor<2x1x4xf32>) -> tensor<1x2x1x4xf32>
  return %0, %1 : tensor<1x2x4xf32>, tensor<1x2x1x4xf32>
}

// -----

// CHECK-LABEL: func.func @broadcasts_are_implied
func.func @broadcasts_are_implied(%x: tensor<2x3xf32>, %y: tensor<3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  // CHECK-NEXT: %0 = "nn.broadcast_to"(%y)
  // CHECK-NEXT: %1 = "nn.add"(%x, %y)
  // CHECK-NEXT: %2 = "nn.add"(%0, %y)
  %0 = "nn.broadcast_to"(%y) : (tensor<3xf32>) -> tensor<2x3xf32>
  %1 = "nn.add"(%x, %0) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = "nn.add"(%0, %y) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return %1, %2 : tensor<2x3xf32>, tensor<2x3xf32>
}

// -----

// CHECK-LABEL: func.func @neutral_elements_vanish
func.func @neutral_elements_vanish(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: return %x
  %one = "nn.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %zero = "nn.constant"() {value = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = "nn.mul"(%one, %x) : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.add"(%zero, %0) : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = "nn.div"(%1, %one) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = "nn.sub"(%2, %zero) : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xf32>
  return %3 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @neutral_elements_that_broadcast_stay
func.func @neutral_elements_that_broadcast_stay(%x: tensor<f32>) -> tensor<2xf32> {
  // CHECK: "nn.add"
  %zero = "nn.constant"() {value = dense<0.0> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = "nn.add"(%x, %zero) : (tensor<f32>, tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

// CHECK-LABEL: func.func @powers_are_products
func.func @powers_are_products(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  // CHECK: %[[S:.*]] = "nn.mul"(%x, %x)
  // CHECK: "nn.mul"({{.*}}, %x)
  // CHECK: "nn.sqrt"(%x)
  %two = "nn.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %three = "nn.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %half = "nn.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.pow"(%x, %two) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = "nn.pow"(%x, %three) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = "nn.pow"(%x, %half) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @one_over_the_root
func.func @one_over_the_root(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: %0 = "nn.rsqrt"(%x)
  // CHECK-NEXT: return
  %one = "nn.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.sqrt"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.div"(%one, %0) : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @division_by_powers_of_two
func.func @division_by_powers_of_two(%x: tensor<4xf32>, %y: tensor<1xf32>) -> (tensor<4xf32>, tensor<2xf32>) {
  // CHECK: dense<0.125> : tensor<f32>
  // CHECK: "nn.mul"(%x, {{.*}}) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // CHECK: dense<0.5> : tensor<2xf32>
  // CHECK: "nn.mul"(%y, {{.*}}) : (tensor<1xf32>, tensor<2xf32>) -> tensor<2xf32>
  %eight = "nn.constant"() {value = dense<8.0> : tensor<f32>} : () -> tensor<f32>
  %two = "nn.constant"() {value = dense<2.0> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = "nn.div"(%x, %eight) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = "nn.div"(%y, %two) : (tensor<1xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %0, %1 : tensor<4xf32>, tensor<2xf32>
}

// -----

// CHECK-LABEL: func.func @casts_through_a_wider_type
func.func @casts_through_a_wider_type(%x: tensor<4xf16>, %y: tensor<4xf32>) -> (tensor<4xf16>, tensor<4xf32>) {
  // CHECK-NEXT: %0 = "nn.cast"(%y) {to = f16}
  // CHECK-NEXT: %1 = "nn.cast"(%0) {to = f32}
  // CHECK-NEXT: return %x, %1
  %0 = "nn.cast"(%x) {to = f32} : (tensor<4xf16>) -> tensor<4xf32>
  %1 = "nn.cast"(%0) {to = f16} : (tensor<4xf32>) -> tensor<4xf16>
  %2 = "nn.cast"(%y) {to = f16} : (tensor<4xf32>) -> tensor<4xf16>
  %3 = "nn.cast"(%2) {to = f32} : (tensor<4xf16>) -> tensor<4xf32>
  return %1, %3 : tensor<4xf16>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @transposes_of_matrices_are_attributes
func.func @transposes_of_matrices_are_attributes(%a: tensor<2x3x4xf32>, %b: tensor<2x5x4xf32>) -> tensor<2x3x5xf32> {
  // CHECK-NEXT: %0 = "nn.matmul"(%a, %b) {trans_a = false, trans_b = true
  %0 = "nn.transpose"(%b) {perm = array<i64: 0, 2, 1>} : (tensor<2x5x4xf32>) -> tensor<2x4x5xf32>
  %1 = "nn.matmul"(%a, %0) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  return %1 : tensor<2x3x5xf32>
}

// -----

// CHECK-LABEL: func.func @sizes_need_no_tensor
func.func @sizes_need_no_tensor(%x: tensor<?x3xf32, #kw.dims<"batch">>) -> (tensor<i64>, tensor<i64>) {
  // CHECK-NEXT: %0 = "nn.size"() {value = "batch"}
  // CHECK-NEXT: %1 = "nn.size"() {value = 3 : i64}
  %0 = "nn.dim"(%x) {axis = 0 : i64} : (tensor<?x3xf32, #kw.dims<"batch">>) -> tensor<i64>
  %1 = "nn.dim"(%x) {axis = 1 : i64} : (tensor<?x3xf32, #kw.dims<"batch">>) -> tensor<i64>
  return %0, %1 : tensor<i64>, tensor<i64>
}

// -----

// CHECK-LABEL: func.func @concatenations_flatten
func.func @concatenations_flatten(%x: tensor<2x3xf32>, %e: tensor<2x0xf32>) -> tensor<2x9xf32> {
  // CHECK-NEXT: %0 = "nn.concat"(%x, %x, %x) {axis = 1 : i64}
  %0 = "nn.concat"(%x, %e, %x) {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2x0xf32>, tensor<2x3xf32>) -> tensor<2x6xf32>
  %1 = "nn.concat"(%0, %x) {axis = 1 : i64} : (tensor<2x6xf32>, tensor<2x3xf32>) -> tensor<2x9xf32>
  return %1 : tensor<2x9xf32>
}

// -----

// CHECK-LABEL: func.func @a_gathered_row_is_a_slice
func.func @a_gathered_row_is_a_slice(%x: tensor<5x3xf32>) -> tensor<3xf32> {
  // CHECK-NEXT: %0 = "nn.slice"(%x) {starts = array<i64: 4, 0>, ends = array<i64: 5, 3>, steps = array<i64: 1, 1>}
  // CHECK-NEXT: %1 = "nn.reshape"(%0)
  %at = "nn.constant"() {value = dense<-1> : tensor<i64>} : () -> tensor<i64>
  %0 = "nn.gather"(%x, %at) {axis = 0 : i64} : (tensor<5x3xf32>, tensor<i64>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// CHECK-LABEL: func.func @bounds_and_choices
func.func @bounds_and_choices(%x: tensor<4xf32>, %c: tensor<4xi1>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK-NEXT: %0 = "nn.relu"(%x)
  // CHECK-NEXT: %1 = "nn.where"(%c, %0, %x)
  %zero = "nn.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.clip"(%x, %zero) {operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %n = "nn.not"(%c) : (tensor<4xi1>) -> tensor<4xi1>
  %1 = "nn.where"(%n, %x, %0) : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @factors_stand_behind_products
func.func @factors_stand_behind_products(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>) -> tensor<2x4xf32> {
  // CHECK-DAG: %[[C:.*]] = "nn.constant"() {value = dense<6.0> : tensor<f32>}
  // CHECK-DAG: %[[P:.*]] = "nn.matmul"(%a, %b)
  // CHECK: "nn.mul"({{.*}}) : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  // CHECK-NEXT: return
  %two = "nn.constant"() {value = dense<[2.0]> : tensor<1xf32>} : () -> tensor<1xf32>
  %three = "nn.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %0 = "nn.mul"(%a, %two) : (tensor<2x3xf32>, tensor<1xf32>) -> tensor<2x3xf32>
  %1 = "nn.mul"(%b, %three) : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %2 = "nn.matmul"(%0, %1) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  return %2 : tensor<2x4xf32>
}

// -----

// CHECK-LABEL: func.func @rows_keep_their_shape
func.func @rows_keep_their_shape(%x: tensor<?x5x3xf32, #kw.dims<"n">>, %w: tensor<3x4xf32>, %y: tensor<?x5x4xf32, #kw.dims<"n">>) -> tensor<?x5x4xf32, #kw.dims<"n">> {
  // CHECK: "nn.matmul"(%x, %w) {{.*}} -> tensor<?x5x4xf32, #kw.dims<"n">>
  // CHECK-NEXT: "nn.add"({{.*}}, %b)
  // CHECK-NEXT: "nn.gelu"
  // CHECK-NEXT: "nn.add"({{.*}}, %y)
  // CHECK-NEXT: return
  %b = "nn.constant"() {value = dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>} : () -> tensor<4xf32>
  %0 = "nn.reshape"(%x) : (tensor<?x5x3xf32, #kw.dims<"n">>) -> tensor<?x3xf32, #kw.dims<"5 * n">>
  %1 = "nn.matmul"(%0, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<?x3xf32, #kw.dims<"5 * n">>, tensor<3x4xf32>) -> tensor<?x4xf32, #kw.dims<"5 * n">>
  %2 = "nn.add"(%1, %b) : (tensor<?x4xf32, #kw.dims<"5 * n">>, tensor<4xf32>) -> tensor<?x4xf32, #kw.dims<"5 * n">>
  %3 = "nn.gelu"(%2) {approximate = "none"} : (tensor<?x4xf32, #kw.dims<"5 * n">>) -> tensor<?x4xf32, #kw.dims<"5 * n">>
  %4 = "nn.reshape"(%3) : (tensor<?x4xf32, #kw.dims<"5 * n">>) -> tensor<?x5x4xf32, #kw.dims<"n">>
  %5 = "nn.add"(%4, %y) : (tensor<?x5x4xf32, #kw.dims<"n">>, tensor<?x5x4xf32, #kw.dims<"n">>) -> tensor<?x5x4xf32, #kw.dims<"n">>
  return %5 : tensor<?x5x4xf32, #kw.dims<"n">>
}

// -----

// CHECK-LABEL: func.func @columns_that_are_regrouped_stay_behind
func.func @columns_that_are_regrouped_stay_behind(%x: tensor<10x3xf32>, %w: tensor<3x4xf32>) -> tensor<2x5x2x2xf32> {
  // CHECK-NEXT: %0 = "nn.matmul"(%x, %w)
  // CHECK-NEXT: %1 = "nn.reshape"(%0)
  %0 = "nn.matmul"(%x, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<10x3xf32>, tensor<3x4xf32>) -> tensor<10x4xf32>
  %1 = "nn.reshape"(%0) : (tensor<10x4xf32>) -> tensor<2x5x2x2xf32>
  return %1 : tensor<2x5x2x2xf32>
}

// -----

// Keys whose batch and heads were merged before they were transposed: two transposes are none.
// CHECK-LABEL: func.func @transposes_around_a_reshape
func.func @transposes_around_a_reshape(%k: tensor<?x3x5x4xf32, #kw.dims<"batch">>) -> tensor<?x3x5x4xf32, #kw.dims<"batch">> {
  // CHECK-NEXT: return %k
  %0 = "nn.transpose"(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x3x5x4xf32, #kw.dims<"batch">>) -> tensor<?x3x4x5xf32, #kw.dims<"batch">>
  %1 = "nn.reshape"(%0) : (tensor<?x3x4x5xf32, #kw.dims<"batch">>) -> tensor<?x4x5xf32, #kw.dims<"3 * batch">>
  %2 = "nn.transpose"(%1) {perm = array<i64: 0, 2, 1>} : (tensor<?x4x5xf32, #kw.dims<"3 * batch">>) -> tensor<?x5x4xf32, #kw.dims<"3 * batch">>
  %3 = "nn.reshape"(%2) : (tensor<?x5x4xf32, #kw.dims<"3 * batch">>) -> tensor<?x3x5x4xf32, #kw.dims<"batch">>
  return %3 : tensor<?x3x5x4xf32, #kw.dims<"batch">>
}

// -----

// A transpose that takes a regrouped axis apart stays behind the reshape.
// CHECK-LABEL: func.func @heads
func.func @heads(%x: tensor<2x5x12xf32>) -> tensor<2x3x5x4xf32> {
  // CHECK-NEXT: %0 = "nn.reshape"(%x)
  // CHECK-NEXT: %1 = "nn.transpose"(%0)
  %0 = "nn.reshape"(%x) : (tensor<2x5x12xf32>) -> tensor<2x5x3x4xf32>
  %1 = "nn.transpose"(%0) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x5x3x4xf32>) -> tensor<2x3x5x4xf32>
  return %1 : tensor<2x3x5x4xf32>
}

// -----

// The padding mask of an exporter: gathers that read in order, and a condition that always holds.
// CHECK-LABEL: func.func @padding
func.func @padding(%pad: tensor<2x3xi1>) -> tensor<2x1x3x3xf32> {
  // CHECK: %[[M:.*]] = "nn.reshape"(%pad) : (tensor<2x3xi1>) -> tensor<2x1x1x3xi1>
  // CHECK-NEXT: %[[W:.*]] = "nn.where"(%[[M]], %{{.*}}, %{{.*}}) {{.*}}-> tensor<2x1x1x3xf32>
  // CHECK-NEXT: "nn.broadcast_to"(%[[W]])
  %zero = "nn.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %low = "nn.constant"() {value = dense<-3.0e+38> : tensor<f32>} : () -> tensor<f32>
  %places = "nn.constant"() {value = dense<[[[[[0, 0], [0, 1], [0, 2]]]], [[[[1, 0], [1, 1], [1, 2]]]]]> : tensor<2x1x1x3x2xi64>} : () -> tensor<2x1x1x3x2xi64>
  %order = "nn.constant"() {value = dense<[0, 1, 2]> : tensor<3xi64>} : () -> tensor<3xi64>
  %all = "nn.constant"() {value = dense<true> : tensor<1x1x3x1xi1>} : () -> tensor<1x1x3x1xi1>
  %0 = "nn.gather_nd"(%pad, %places) {batch_dims = 0 : i64} : (tensor<2x3xi1>, tensor<2x1x1x3x2xi64>) -> tensor<2x1x1x3xi1>
  %1 = "nn.gather"(%0, %order) {axis = 3 : i64} : (tensor<2x1x1x3xi1>, tensor<3xi64>) -> tensor<2x1x1x3xi1>
  %2 = "nn.and"(%1, %all) : (tensor<2x1x1x3xi1>, tensor<1x1x3x1xi1>) -> tensor<2x1x3x3xi1>
  %3 = "nn.where"(%2, %zero, %low) : (tensor<2x1x3x3xi1>, tensor<f32>, tensor<f32>) -> tensor<2x1x3x3xf32>
  return %3 : tensor<2x1x3x3xf32>
}

// -----

// Queries of a transformer that keeps the sequence first: transposed rows, split into three and into heads.
// CHECK-LABEL: func.func @sequence_first
func.func @sequence_first(%x: tensor<2x5x4xf32>, %w: tensor<4x24xf32>) -> tensor<2x2x5x4xf32> {
  // CHECK: %[[P:.*]] = "nn.matmul"(%x, %w) {{.*}} -> tensor<2x5x24xf32>
  // CHECK-NEXT: %[[B:.*]] = "nn.add"(%[[P]], %{{.*}}) : {{.*}} -> tensor<2x5x24xf32>
  // CHECK-NEXT: %[[R:.*]] = "nn.reshape"(%[[B]]) : (tensor<2x5x24xf32>) -> tensor<2x5x3x8xf32>
  // CHECK-NEXT: %[[S:.*]] = "nn.slice"(%[[R]]) {{.*}} -> tensor<2x5x1x8xf32>
  // CHECK-NEXT: %[[H:.*]] = "nn.reshape"(%[[S]]) : (tensor<2x5x1x8xf32>) -> tensor<2x5x2x4xf32>
  // CHECK-NEXT: %[[T:.*]] = "nn.transpose"(%[[H]]) {perm = array<i64: 0, 2, 1, 3>}
  // CHECK-NEXT: return %[[T]]
  %bias = "nn.constant"() {value = dense<0.5> : tensor<24xf32>} : () -> tensor<24xf32>
  %0 = "nn.transpose"(%x) {perm = array<i64: 1, 0, 2>} : (tensor<2x5x4xf32>) -> tensor<5x2x4xf32>
  %1 = "nn.matmul"(%0, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<5x2x4xf32>, tensor<4x24xf32>) -> tensor<5x2x24xf32>
  %2 = "nn.add"(%1, %bias) : (tensor<5x2x24xf32>, tensor<24xf32>) -> tensor<5x2x24xf32>
  %3 = "nn.reshape"(%2) : (tensor<5x2x24xf32>) -> tensor<1x5x2x3x8xf32>
  %4 = "nn.transpose"(%3) {perm = array<i64: 3, 1, 2, 0, 4>} : (tensor<1x5x2x3x8xf32>) -> tensor<3x5x2x1x8xf32>
  %5 = "nn.reshape"(%4) : (tensor<3x5x2x1x8xf32>) -> tensor<3x5x2x8xf32>
  %6 = "nn.slice"(%5) {starts = array<i64: 1, 0, 0, 0>, ends = array<i64: 2, 5, 2, 8>, steps = array<i64: 1, 1, 1, 1>} : (tensor<3x5x2x8xf32>) -> tensor<1x5x2x8xf32>
  %7 = "nn.reshape"(%6) : (tensor<1x5x2x8xf32>) -> tensor<5x4x4xf32>
  %8 = "nn.transpose"(%7) {perm = array<i64: 1, 0, 2>} : (tensor<5x4x4xf32>) -> tensor<4x5x4xf32>
  %9 = "nn.reshape"(%8) : (tensor<4x5x4xf32>) -> tensor<2x2x5x4xf32>
  return %9 : tensor<2x2x5x4xf32>
}

// -----

// Merged axes of which one has moved are no split.
// CHECK-LABEL: func.func @merged_after_transpose
func.func @merged_after_transpose(%x: tensor<2x3x4xf32>) -> tensor<6x4xf32> {
  // CHECK-NEXT: %[[T:.*]] = "nn.transpose"(%x)
  // CHECK-NEXT: "nn.reshape"(%[[T]])
  %0 = "nn.transpose"(%x) {perm = array<i64: 1, 0, 2>} : (tensor<2x3x4xf32>) -> tensor<3x2x4xf32>
  %1 = "nn.reshape"(%0) : (tensor<3x2x4xf32>) -> tensor<6x4xf32>
  return %1 : tensor<6x4xf32>
}

// -----

// What attention gives is turned once for the product behind it.
// CHECK-LABEL: func.func @attention_result
func.func @attention_result(%x: tensor<2x3x5x4xf32>, %w: tensor<12x8xf32>) -> tensor<2x5x8xf32> {
  // CHECK-NEXT: %[[T:.*]] = "nn.transpose"(%x) {perm = array<i64: 0, 2, 1, 3>}
  // CHECK-NEXT: %[[R:.*]] = "nn.reshape"(%[[T]]) : (tensor<2x5x3x4xf32>) -> tensor<2x5x12xf32>
  // CHECK-NEXT: %[[P:.*]] = "nn.matmul"(%[[R]], %w)
  // CHECK-NEXT: return %[[P]]
  %0 = "nn.transpose"(%x) {perm = array<i64: 2, 0, 1, 3>} : (tensor<2x3x5x4xf32>) -> tensor<5x2x3x4xf32>
  %1 = "nn.reshape"(%0) : (tensor<5x2x3x4xf32>) -> tensor<5x2x12xf32>
  %2 = "nn.matmul"(%1, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<5x2x12xf32>, tensor<12x8xf32>) -> tensor<5x2x8xf32>
  %3 = "nn.transpose"(%2) {perm = array<i64: 1, 0, 2>} : (tensor<5x2x8xf32>) -> tensor<2x5x8xf32>
  return %3 : tensor<2x5x8xf32>
}
