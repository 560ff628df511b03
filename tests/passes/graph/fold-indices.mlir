// RUN: kernelwright opt %s --pass-pipeline=fold-indices,canonicalize,dce --split-input-file | filecheck %s

// CHECK-LABEL: func.func @positions_are_never_negative
func.func @positions_are_never_negative(%x: tensor<?xf32, #kw.dims<"seq">>, %y: tensor<?xf32, #kw.dims<"seq">>) -> tensor<?xf32, #kw.dims<"seq">> {
  // CHECK-NEXT: return %x
  %zero = "nn.constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %0 = "nn.iota"() {axis = 0 : i64, start = 0 : i64} : () -> tensor<?xi64, #kw.dims<"seq">>
  %1 = "nn.ge"(%0, %zero) : (tensor<?xi64, #kw.dims<"seq">>, tensor<i64>) -> tensor<?xi1, #kw.dims<"seq">>
  %2 = "nn.where"(%1, %x, %y) : (tensor<?xi1, #kw.dims<"seq">>, tensor<?xf32, #kw.dims<"seq">>, tensor<?xf32, #kw.dims<"seq">>) -> tensor<?xf32, #kw.dims<"seq">>
  return %2 : tensor<?xf32, #kw.dims<"seq">>
}

// -----

// A position may be 1 or less.
// CHECK-LABEL: func.func @positions_may_be_small
func.func @positions_may_be_small(%x: tensor<?xf32, #kw.dims<"seq">>) -> tensor<?xi1, #kw.dims<"seq">> {
  // CHECK: %[[AT:.*]] = "nn.iota"
  // CHECK: "nn.gt"(%[[AT]]
  %one = "nn.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %0 = "nn.iota"() {axis = 0 : i64, start = 0 : i64} : () -> tensor<?xi64, #kw.dims<"seq">>
  %1 = "nn.gt"(%0, %one) : (tensor<?xi64, #kw.dims<"seq">>, tensor<i64>) -> tensor<?xi1, #kw.dims<"seq">>
  return %1 : tensor<?xi1, #kw.dims<"seq">>
}

// -----

// 255 + 1 is 0 in eight bits.
// CHECK-LABEL: func.func @narrow_integers_wrap
func.func @narrow_integers_wrap(%x: tensor<?xf32, #kw.dims<"seq">>) -> tensor<?xi1, #kw.dims<"seq">> {
  // CHECK: "nn.cast"
  // CHECK: "nn.ge"
  %zero = "nn.constant"() {value = dense<0> : tensor<i8>} : () -> tensor<i8>
  %0 = "nn.iota"() {axis = 0 : i64, start = 0 : i64} : () -> tensor<?xi64, #kw.dims<"seq">>
  %1 = "nn.cast"(%0) {to = i8} : (tensor<?xi64, #kw.dims<"seq">>) -> tensor<?xi8, #kw.dims<"seq">>
  %2 = "nn.ge"(%1, %zero) : (tensor<?xi8, #kw.dims<"seq">>, tensor<i8>) -> tensor<?xi1, #kw.dims<"seq">>
  return %2 : tensor<?xi1, #kw.dims<"seq">>
}

// -----

// What packed sequences are told apart by: positions that do not follow the one before. PyTorch writes this for GPT-2.
// CHECK-LABEL: func.func @positions_follow_each_other
func.func @positions_follow_each_other(%x: tensor<?x?xf32, #kw.dims<"b", "s">>) -> tensor<?x?xi64, #kw.dims<"b", "s">> {
  // CHECK-NEXT: %[[ZERO:.*]] = "nn.constant"() {value = dense<0>
  // CHECK-NEXT: %[[ALL:.*]] = "nn.broadcast_to"(%[[ZERO]])
  // CHECK-NEXT: return %[[ALL]]
  %one = "nn.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %0 = "nn.iota"() {axis = 1 : i64, start = 0 : i64} : () -> tensor<?x?xi64, #kw.dims<"b", "s">>
  %1 = "nn.slice"(%0) {starts = array<i64: 0, 0>, ends = ["b", 1 : i64], steps = array<i64: 1, 1>} : (tensor<?x?xi64, #kw.dims<"b", "s">>) -> tensor<?x1xi64, #kw.dims<"b">>
  %2 = "nn.sub"(%1, %one) : (tensor<?x1xi64, #kw.dims<"b">>, tensor<i64>) -> tensor<?x1xi64, #kw.dims<"b">>
  %3 = "nn.concat"(%2, %0) {axis = 1 : i64} : (tensor<?x1xi64, #kw.dims<"b">>, tensor<?x?xi64, #kw.dims<"b", "s">>) -> tensor<?x?xi64, #kw.dims<"b", "s + 1">>
  %4 = "nn.slice"(%3) {starts = array<i64: 0, 0>, ends = ["b", "s"], steps = array<i64: 1, 1>} : (tensor<?x?xi64, #kw.dims<"b", "s + 1">>) -> tensor<?x?xi64, #kw.dims<"b", "s">>
  %5 = "nn.slice"(%3) {starts = array<i64: 0, 1>, ends = ["b", "s + 1"], steps = array<i64: 1, 1>} : (tensor<?x?xi64, #kw.dims<"b", "s + 1">>) -> tensor<?x?xi64, #kw.dims<"b", "s">>
  %6 = "nn.sub"(%5, %4) : (tensor<?x?xi64, #kw.dims<"b", "s">>, tensor<?x?xi64, #kw.dims<"b", "s">>) -> tensor<?x?xi64, #kw.dims<"b", "s">>
  %7 = "nn.ne"(%6, %one) : (tensor<?x?xi64, #kw.dims<"b", "s">>, tensor<i64>) -> tensor<?x?xi1, #kw.dims<"b", "s">>
  %8 = "nn.cast"(%7) {to = i64} : (tensor<?x?xi1, #kw.dims<"b", "s">>) -> tensor<?x?xi64, #kw.dims<"b", "s">>
  %9 = "nn.cumsum"(%8) {axis = 1 : i64, exclusive = false, reverse = false} : (tensor<?x?xi64, #kw.dims<"b", "s">>) -> tensor<?x?xi64, #kw.dims<"b", "s">>
  return %9 : tensor<?x?xi64, #kw.dims<"b", "s">>
}

// -----

// CHECK-LABEL: func.func @gathers_in_order
func.func @gathers_in_order(%x: tensor<?x4xf32, #kw.dims<"s">>, %t: tensor<9x4xf32>) -> (tensor<?x4xf32, #kw.dims<"s">>, tensor<2x3x4xf32>) {
  // CHECK-NEXT: %[[PART:.*]] = "nn.slice"(%t) {starts = array<i64: 2, 0>, ends = array<i64: 8, 4>
  // CHECK-NEXT: %[[ROWS:.*]] = "nn.reshape"(%[[PART]])
  // CHECK-NEXT: return %x, %[[ROWS]]
  %0 = "nn.iota"() {axis = 0 : i64, start = 0 : i64} : () -> tensor<?xi64, #kw.dims<"s">>
  %1 = "nn.gather"(%x, %0) {axis = 0 : i64} : (tensor<?x4xf32, #kw.dims<"s">>, tensor<?xi64, #kw.dims<"s">>) -> tensor<?x4xf32, #kw.dims<"s">>
  %at = "nn.constant"() {value = dense<[[2, 3, 4], [5, 6, 7]]> : tensor<2x3xi64>} : () -> tensor<2x3xi64>
  %2 = "nn.gather"(%t, %at) {axis = 0 : i64} : (tensor<9x4xf32>, tensor<2x3xi64>) -> tensor<2x3x4xf32>
  return %1, %2 : tensor<?x4xf32, #kw.dims<"s">>, tensor<2x3x4xf32>
}

// -----

// The table may be shorter than the sequence, the order another, and a place may be read twice.
// CHECK-LABEL: func.func @gathers_that_stay
func.func @gathers_that_stay(%x: tensor<?x4xf32, #kw.dims<"s">>, %t: tensor<9x4xf32>) -> (tensor<?x4xf32, #kw.dims<"s">>, tensor<3x4xf32>, tensor<2x2x4xf32>) {
  // CHECK-COUNT-3: "nn.gather"
  %0 = "nn.iota"() {axis = 0 : i64, start = 0 : i64} : () -> tensor<?xi64, #kw.dims<"s">>
  %1 = "nn.gather"(%t, %0) {axis = 0 : i64} : (tensor<9x4xf32>, tensor<?xi64, #kw.dims<"s">>) -> tensor<?x4xf32, #kw.dims<"s">>
  %back = "nn.constant"() {value = dense<[4, 3, 2]> : tensor<3xi64>} : () -> tensor<3xi64>
  %2 = "nn.gather"(%t, %back) {axis = 0 : i64} : (tensor<9x4xf32>, tensor<3xi64>) -> tensor<3x4xf32>
  %twice = "nn.constant"() {value = dense<[[2, 3], [3, 4]]> : tensor<2x2xi64>} : () -> tensor<2x2xi64>
  %3 = "nn.gather"(%t, %twice) {axis = 0 : i64} : (tensor<9x4xf32>, tensor<2x2xi64>) -> tensor<2x2x4xf32>
  return %1, %2, %3 : tensor<?x4xf32, #kw.dims<"s">>, tensor<3x4xf32>, tensor<2x2x4xf32>
}

// -----

// The mask of BERT, read at every place by pairs of indices.
// CHECK-LABEL: func.func @pairs_in_order
func.func @pairs_in_order(%mask: tensor<?x?xi1, #kw.dims<"b", "s">>) -> tensor<?x1x?xi1, #kw.dims<"b", "s">> {
  // CHECK-NEXT: %[[VIEW:.*]] = "nn.reshape"(%mask)
  // CHECK-NEXT: return %[[VIEW]]
  %0 = "nn.iota"() {axis = 0 : i64, start = 0 : i64} : () -> tensor<?x1x?x1xi64, #kw.dims<"b", "s">>
  %1 = "nn.iota"() {axis = 2 : i64, start = 0 : i64} : () -> tensor<?x1x?x1xi64, #kw.dims<"b", "s">>
  %2 = "nn.concat"(%0, %1) {axis = 3 : i64} : (tensor<?x1x?x1xi64, #kw.dims<"b", "s">>, tensor<?x1x?x1xi64, #kw.dims<"b", "s">>) -> tensor<?x1x?x2xi64, #kw.dims<"b", "s">>
  %3 = "nn.gather_nd"(%mask, %2) {batch_dims = 0 : i64} : (tensor<?x?xi1, #kw.dims<"b", "s">>, tensor<?x1x?x2xi64, #kw.dims<"b", "s">>) -> tensor<?x1x?xi1, #kw.dims<"b", "s">>
  return %3 : tensor<?x1x?xi1, #kw.dims<"b", "s">>
}

// -----

// What depends on data stays, and so does a place that jumps.
// CHECK-LABEL: func.func @pairs_out_of_order
func.func @pairs_out_of_order(%x: tensor<?x?xf32, #kw.dims<"s", "s">>) -> tensor<?xf32, #kw.dims<"s">> {
  // CHECK: "nn.gather_nd"
  %0 = "nn.iota"() {axis = 0 : i64, start = 0 : i64} : () -> tensor<?x1xi64, #kw.dims<"s">>
  %1 = "nn.concat"(%0, %0) {axis = 1 : i64} : (tensor<?x1xi64, #kw.dims<"s">>, tensor<?x1xi64, #kw.dims<"s">>) -> tensor<?x2xi64, #kw.dims<"s">>
  %2 = "nn.gather_nd"(%x, %1) {batch_dims = 0 : i64} : (tensor<?x?xf32, #kw.dims<"s", "s">>, tensor<?x2xi64, #kw.dims<"s">>) -> tensor<?xf32, #kw.dims<"s">>
  return %2 : tensor<?xf32, #kw.dims<"s">>
}
