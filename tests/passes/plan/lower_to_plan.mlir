// RUN: kernelwright opt %s --split-input-file --pass-pipeline=lower-to-plan,assign-offsets | filecheck %s

// A returned value is made in the output's memory; a dead operand of the same type is overwritten; a reshape is an alias.
// CHECK: "plan.input"() {index = 0 : i64, tensor_name = "x"}
// CHECK: %[[Y:.*]] = "plan.output"() {index = 0 : i64, tensor_name = "y"}
// CHECK: %[[A:.*]] = "plan.arena"() {label = "b0", offset = 0 : i64}
// CHECK: "plan.launch"(%{{.*}}, %[[A]]) {callee = @relu
// CHECK: "plan.launch"(%[[A]], %[[A]]) {callee = @relu
// CHECK: %[[R:.*]] = "plan.alias"(%[[A]])
// CHECK: "plan.launch"(%[[R]], %{{.*}}) {callee = @neg
// CHECK-NOT: "plan.copy"
module {
  "kernel.func"() ({
  ^bb0(%a: memref<8xf32>, %b: memref<8xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "relu", grid = [1 : i64], arg_shapes = ["8", "8"], in_place = array<i64: 0>} : () -> ()
  "kernel.func"() ({
  ^bb0(%a: memref<2x4xf32>, %b: memref<2x4xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "neg", grid = [1 : i64], arg_shapes = ["2, 4", "2, 4"]} : () -> ()
  func.func @main(%x: tensor<8xf32> {kw.name = "x"}) -> (tensor<2x4xf32> {kw.name = "y"}) {
    %0 = "kernel.call"(%x) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
    %1 = "kernel.call"(%0) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
    %2 = "nn.reshape"(%1) : (tensor<8xf32>) -> tensor<2x4xf32>
    %3 = "kernel.call"(%2) {callee = @neg} : (tensor<2x4xf32>) -> tensor<2x4xf32>
    return %3 : tensor<2x4xf32>
  }
}

// -----

// An input or a weight that is returned as it is, and a value that is returned twice, are copied.
// CHECK: "plan.launch"(%[[X:.*]], %[[Y:.*]]) {callee = @relu
// CHECK: "plan.copy"(%[[Y]], %{{.*}})
// CHECK: "plan.copy"(%[[X]], %{{.*}})
module {
  "kernel.func"() ({
  ^bb0(%a: memref<8xf32>, %b: memref<8xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "relu", grid = [1 : i64], arg_shapes = ["8", "8"]} : () -> ()
  func.func @main(%x: tensor<8xf32> {kw.name = "x"}) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {
    %0 = "kernel.call"(%x) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
    return %0, %0, %x : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  }
}

// -----

// Parts of a concatenation are made in its memory, and so is the concatenation of fewer of them. Nobody overwrites it,
// though its last reader might.
// CHECK: %[[Y:.*]] = "plan.output"
// CHECK: %[[W:.*]] = "plan.arena"() {label = "b0"
// CHECK: %[[AB:.*]] = "plan.alias"(%[[W]])
// CHECK-SAME: tensor<1x8x4xf32>
// CHECK: %[[A:.*]] = "plan.alias"(%[[W]])
// CHECK-SAME: tensor<1x4x4xf32>
// CHECK: %[[B:.*]] = "plan.alias"(%[[W]]) {offset = 64 : i64}
// CHECK: %[[C:.*]] = "plan.alias"(%[[W]]) {offset = 128 : i64}
// CHECK: "plan.launch"(%{{.*}}, %[[A]]) {callee = @relu
// CHECK: "plan.launch"(%[[A]], %[[B]]) {callee = @relu
// CHECK: %[[N:.*]] = "plan.arena"
// CHECK: "plan.launch"(%[[AB]], %[[N]]) {callee = @wide
// CHECK: "plan.launch"(%[[B]], %[[C]]) {callee = @relu
// CHECK-NOT: "plan.copy"
module {
  "kernel.func"() ({
  ^bb0(%a: memref<1x4x4xf32>, %b: memref<1x4x4xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "relu", grid = [1 : i64], arg_shapes = ["1, 4, 4", "1, 4, 4"], in_place = array<i64: 0>} : () -> ()
  "kernel.func"() ({
  ^bb0(%a: memref<1x8x4xf32>, %b: memref<1x8x4xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "wide", grid = [1 : i64], arg_shapes = ["1, 8, 4", "1, 8, 4"], in_place = array<i64: 0>} : () -> ()
  "kernel.func"() ({
  ^bb0(%a: memref<1x12x4xf32>, %b: memref<1x8x4xf32>, %c: memref<1x12x4xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "last", grid = [1 : i64], arg_shapes = ["1, 12, 4", "1, 8, 4", "1, 12, 4"]} : () -> ()
  func.func @main(%x: tensor<1x4x4xf32> {kw.name = "x"}) -> (tensor<1x12x4xf32> {kw.name = "y"}) {
    %0 = "kernel.call"(%x) {callee = @relu} : (tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
    %1 = "kernel.call"(%0) {callee = @relu} : (tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
    %2 = "nn.concat"(%0, %1) {axis = 1 : i64} : (tensor<1x4x4xf32>, tensor<1x4x4xf32>) -> tensor<1x8x4xf32>
    %3 = "kernel.call"(%2) {callee = @wide} : (tensor<1x8x4xf32>) -> tensor<1x8x4xf32>
    %4 = "kernel.call"(%1) {callee = @relu} : (tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
    %5 = "nn.concat"(%0, %1, %4) {axis = 1 : i64} : (tensor<1x4x4xf32>, tensor<1x4x4xf32>, tensor<1x4x4xf32>) -> tensor<1x12x4xf32>
    %6 = "kernel.call"(%5, %3) {callee = @last} : (tensor<1x12x4xf32>, tensor<1x8x4xf32>) -> tensor<1x12x4xf32>
    return %6 : tensor<1x12x4xf32>
  }
}

// -----

// A size that is read: what is of that size lies in a segment of its own, which is placed behind the read.
// CHECK: "plan.arena"() {label = "b1", after = []} : () -> !plan.buffer<tensor<?xf32, #kw.dims<"run_0">>>
// CHECK: %[[K:.*]] = "plan.input"() {index = 1 : i64, tensor_name = "k"}
// CHECK: "plan.arena"() {label = "b0", offset = 0 : i64} : () -> !plan.buffer<tensor<8xf32>>
// CHECK: "plan.launch"(%{{.*}}) {callee = @relu
// CHECK: "plan.read"(%[[K]]) {symbols = ["run_0"]}
// CHECK-NEXT: "plan.place"() {segment = 1 : i64}
// CHECK-NEXT: "plan.launch"(%{{.*}}) {callee = @part
module {
  "kernel.func"() ({
  ^bb0(%a: memref<8xf32>, %b: memref<8xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "relu", grid = [1 : i64], arg_shapes = ["8", "8"]} : () -> ()
  "kernel.func"() ({
  ^bb0(%a: memref<8xf32>, %b: memref<?xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "part", grid = [1 : i64], arg_shapes = ["8", "run_0"]} : () -> ()
  "kernel.func"() ({
  ^bb0(%a: memref<?xf32>, %b: memref<f32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "sum", grid = [1 : i64], arg_shapes = ["run_0", ""]} : () -> ()
  func.func @main(%x: tensor<8xf32> {kw.name = "x"}, %k: tensor<1xi64> {kw.name = "k"}) -> (tensor<f32> {kw.name = "y"}) {
    %0 = "kernel.call"(%x) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
    "nn.read_sizes"(%k) {symbols = ["run_0"]} : (tensor<1xi64>) -> ()
    %1 = "kernel.call"(%0) {callee = @part} : (tensor<8xf32>) -> tensor<?xf32, #kw.dims<"run_0">>
    %2 = "kernel.call"(%1) {callee = @sum} : (tensor<?xf32, #kw.dims<"run_0">>) -> tensor<f32>
    return %2 : tensor<f32>
  }
}

// -----

// Two results of one kernel are read where they lie. The last of them begins a concatenation: the memory of both
// overlaps there.
// CHECK: %[[W:.*]] = "plan.arena"() {label = "b0"
// CHECK-SAME: !plan.buffer<tensor<20xf32>>
// CHECK: %[[WHOLE:.*]] = "plan.alias"(%[[W]]) {offset = 16 : i64}
// CHECK-SAME: tensor<1x4x4xf32>
// CHECK: "plan.launch"(%{{.*}}, %[[J:.*]]) {callee = @joined
// CHECK: "plan.launch"(%{{.*}}, %{{.*}}) {callee = @part
// CHECK: "plan.launch"(%[[WHOLE]], %{{.*}}) {callee = @last
// CHECK-NOT: "plan.copy"
module {
  "kernel.func"() ({
  ^bb0(%a: memref<1x2x4xf32>, %b: memref<1x3x4xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "joined", grid = [1 : i64], arg_shapes = ["1, 2, 4", "1, 3, 4"]} : () -> ()
  "kernel.func"() ({
  ^bb0(%a: memref<1x1x4xf32>, %b: memref<1x2x4xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "part", grid = [1 : i64], arg_shapes = ["1, 1, 4", "1, 2, 4"]} : () -> ()
  "kernel.func"() ({
  ^bb0(%a: memref<1x4x4xf32>, %b: memref<1x4x4xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "last", grid = [1 : i64], arg_shapes = ["1, 4, 4", "1, 4, 4"]} : () -> ()
  func.func @main(%x: tensor<1x2x4xf32> {kw.name = "x"}) -> (tensor<1x4x4xf32> {kw.name = "y"}) {
    %0 = "kernel.call"(%x) {callee = @joined} : (tensor<1x2x4xf32>) -> tensor<1x3x4xf32>
    %1 = "nn.slice"(%0) {starts = [0 : i64, 0 : i64, 0 : i64], ends = [1 : i64, 1 : i64, 4 : i64], steps = array<i64: 1, 1, 1>} : (tensor<1x3x4xf32>) -> tensor<1x1x4xf32>
    %2 = "nn.slice"(%0) {starts = [0 : i64, 1 : i64, 0 : i64], ends = [1 : i64, 3 : i64, 4 : i64], steps = array<i64: 1, 1, 1>} : (tensor<1x3x4xf32>) -> tensor<1x2x4xf32>
    %3 = "kernel.call"(%1) {callee = @part} : (tensor<1x1x4xf32>) -> tensor<1x2x4xf32>
    %4 = "nn.concat"(%2, %3) {axis = 1 : i64} : (tensor<1x2x4xf32>, tensor<1x2x4xf32>) -> tensor<1x4x4xf32>
    %5 = "kernel.call"(%4) {callee = @last} : (tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
    return %5 : tensor<1x4x4xf32>
  }
}

// -----

// Both branches make the result in the same memory; the condition is read by the host.
// CHECK: %[[C:.*]] = "plan.input"() {index = 1 : i64
// CHECK: %[[Y:.*]] = "plan.output"()
// CHECK: "plan.read"(%[[C]]) {symbols = ["run_value0"]}
// CHECK: "plan.if"() ({
// CHECK-NEXT: "plan.launch"(%{{.*}}, %[[Y]]) {callee = @relu
// CHECK-NEXT: }, {
// CHECK-NEXT: "plan.copy"(%{{.*}}, %[[Y]])
// CHECK-NEXT: }) {condition = "run_value0"}
module {
  "kernel.func"() ({
  ^bb0(%a: memref<8xf32>, %b: memref<8xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "relu", grid = [1 : i64], arg_shapes = ["8", "8"]} : () -> ()
  func.func @main(%x: tensor<8xf32>, %c: tensor<i1>) -> tensor<8xf32> {
    %0 = "nn.if"(%c) ({
      %1 = "kernel.call"(%x) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
      "nn.yield"(%1) : (tensor<8xf32>) -> ()
    }, {
      "nn.yield"(%x) : (tensor<8xf32>) -> ()
    }) : (tensor<i1>) -> tensor<8xf32>
    return %0 : tensor<8xf32>
  }
}

// -----

// Carried values that change places go through memory of their own. What the loop reads again is not overwritten, but
// what one iteration makes for itself is.
// CHECK: "plan.copy"(%a, %[[A:[0-9]+]])
// CHECK: "plan.copy"(%b, %[[B:[0-9]+]])
// CHECK: "plan.loop"() ({
// CHECK-NEXT: "plan.launch"(%w, %t) {callee = @relu
// CHECK-NEXT: "plan.launch"(%t, %t) {callee = @relu
// CHECK-NEXT: "plan.copy"(%t, %{{[0-9]+}}) {target_offset = "32 * run_loop1"}
// CHECK-NEXT: "plan.copy"(%[[B]], %q)
// CHECK-NEXT: "plan.copy"(%[[A]], %p)
// CHECK-NEXT: "plan.copy"(%q, %[[A]])
// CHECK-NEXT: "plan.copy"(%p, %[[B]])
// CHECK-NEXT: }) {induction = "run_loop1", trip_count = 40 : i64
module {
  "kernel.func"() ({
  ^bb0(%a: memref<8xf32>, %b: memref<8xf32>):
    "kernel.return"() : () -> ()
  }) {sym_name = "relu", grid = [1 : i64], arg_shapes = ["8", "8"], in_place = array<i64: 0>} : () -> ()
  func.func @main(%x: tensor<8xf32>, %a: tensor<8xf32>, %b: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<40x8xf32>) {
    %n = "nn.constant"() {value = dense<40> : tensor<i64>} : () -> tensor<i64>
    %w = "kernel.call"(%x) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
    %0, %1, %2 = "nn.loop"(%n, %a, %b) ({
    ^bb0(%i: tensor<i64>, %go: tensor<i1>, %p: tensor<8xf32>, %q: tensor<8xf32>):
      %t = "kernel.call"(%w) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
      %u = "kernel.call"(%t) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
      "nn.yield"(%go, %q, %p, %u) : (tensor<i1>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> ()
    }) {operandSegmentSizes = array<i32: 1, 0, 2>} : (tensor<i64>, tensor<8xf32>, tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<40x8xf32>)
    return %0, %1, %2 : tensor<8xf32>, tensor<8xf32>, tensor<40x8xf32>
  }
}
