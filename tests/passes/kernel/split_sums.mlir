// RUN: kernelwright opt %s --split-input-file --pass-pipeline=split-sums | filecheck %s

// A long axis is cut into parts; the totals of these are few enough.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[PARTS:.*]] = "nn.reshape"(%x) : (tensor<3x4096xf32>) -> tensor<3x64x64xf32>
// CHECK-NEXT: %[[INNER:.*]] = "nn.cumsum"(%[[PARTS]]) {axis = 2 : i64, exclusive = false, reverse = true}
// CHECK-NEXT: %[[TOTALS:.*]] = "nn.reduce"(%[[PARTS]]) {kind = "add", axes = array<i64: 2>, keep_dims = true}
// CHECK-NEXT: %[[BEFORE:.*]] = "nn.cumsum"(%[[TOTALS]]) {axis = 1 : i64, exclusive = true, reverse = true}
// CHECK-NEXT: "nn.add"(%[[INNER]], %[[BEFORE]])
// CHECK-NEXT: "nn.reshape"
// CHECK-NEXT: return
module {
  func.func @main(%x: tensor<3x4096xf32>) -> tensor<3x4096xf32> {
    %0 = "nn.cumsum"(%x) {axis = 1 : i64, exclusive = false, reverse = true} : (tensor<3x4096xf32>) -> tensor<3x4096xf32>
    return %0 : tensor<3x4096xf32>
  }
}

// -----

// An axis of run time is split twice, whatever its size; one that does not divide is padded, and narrow floats are
// added in f32.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: "nn.cast"(%x) {to = f32
// CHECK-NEXT: "nn.pad"
// CHECK: "nn.cumsum"{{.*}} {axis = 1 : i64
// CHECK: "nn.pad"
// CHECK: "nn.cumsum"{{.*}} {axis = 1 : i64
// CHECK: "nn.cumsum"{{.*}} {axis = 0 : i64
// CHECK-NOT: "nn.cumsum"
// CHECK: "nn.cast"{{.*}} {to = f16
module {
  func.func @main(%x: tensor<?xf16, #kw.dims<"n">>) -> tensor<?xf16, #kw.dims<"n">> {
    %0 = "nn.cumsum"(%x) {axis = 0 : i64, exclusive = false, reverse = false} : (tensor<?xf16, #kw.dims<"n">>) -> tensor<?xf16, #kw.dims<"n">>
    return %0 : tensor<?xf16, #kw.dims<"n">>
  }
}

// -----

// A short axis stays as it is.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: "nn.cumsum"(%x)
// CHECK-NEXT: return
module {
  func.func @main(%x: tensor<256x4096xf32>) -> tensor<256x4096xf32> {
    %0 = "nn.cumsum"(%x) {axis = 0 : i64, exclusive = false, reverse = false} : (tensor<256x4096xf32>) -> tensor<256x4096xf32>
    return %0 : tensor<256x4096xf32>
  }
}
