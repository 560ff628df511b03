// RUN: kernelwright opt %s --pass-pipeline='infer-shapes{sizes=batch:4,past:7}' --split-input-file | filecheck %s
// RUN: not kernelwright opt %s --pass-pipeline='infer-shapes{sizes=batch}' --split-input-file | filecheck %s --check-prefix=ERROR

// ERROR: option 'sizes' of pass 'infer-shapes' needs NAME:SIZE, found 'batch'

// CHECK-LABEL: func.func @sizes_become_numbers(%x: tensor<4x?x3xf32, #kw.dims<"seq">>) -> tensor<?x3xf32, #kw.dims<"4 * seq">> {
func.func @sizes_become_numbers(%x: tensor<?x?x3xf32, #kw.dims<"batch", "seq">>) -> tensor<?x3xf32, #kw.dims<"batch * seq">> {
  // CHECK-NEXT: "nn.relu"(%x) : (tensor<4x?x3xf32, #kw.dims<"seq">>) -> tensor<4x?x3xf32, #kw.dims<"seq">>
  // CHECK-NEXT: "nn.reshape"({{.*}}) : (tensor<4x?x3xf32, #kw.dims<"seq">>) -> tensor<?x3xf32, #kw.dims<"4 * seq">>
  %0 = "nn.relu"(%x) : (tensor<?x?x3xf32, #kw.dims<"batch", "seq">>) -> tensor<?x?x3xf32, #kw.dims<"batch", "seq">>
  %1 = "nn.reshape"(%0) : (tensor<?x?x3xf32, #kw.dims<"batch", "seq">>) -> tensor<?x3xf32, #kw.dims<"batch * seq">>
  return %1 : tensor<?x3xf32, #kw.dims<"batch * seq">>
}

// -----

// CHECK-LABEL: func.func @in_attributes_too
func.func @in_attributes_too(%x: tensor<64x3xf32>) -> (tensor<?x3xf32, #kw.dims<"batch">>, tensor<i64>) {
  // CHECK-NEXT: "nn.slice"(%x) {starts = array<i64: 7, 0>, ends = array<i64: 11, 3>, steps = array<i64: 1, 1>} : (tensor<64x3xf32>) -> tensor<4x3xf32>
  // CHECK-NEXT: "nn.size"() {value = 11 : i64}
  %0 = "nn.slice"(%x) {starts = ["past", 0 : i64], ends = ["past + batch", 3 : i64], steps = array<i64: 1, 1>} : (tensor<64x3xf32>) -> tensor<?x3xf32, #kw.dims<"batch">>
  %1 = "nn.size"() {value = "past + batch"} : () -> tensor<i64>
  return %0, %1 : tensor<?x3xf32, #kw.dims<"batch">>, tensor<i64>
}

// -----

// CHECK-LABEL: func.func @the_profile_decides
// CHECK-SAME: tensor<1x?xf32, #kw.dims<"seq">>
module attributes {kw.profile = {n = array<i64: 1, 1, 1>, seq = array<i64: 1, 128, 512>}} {
  func.func @the_profile_decides(%x: tensor<?x?xf32, #kw.dims<"n", "seq">>, %y: tensor<512xf32>) -> tensor<?x?xf32, #kw.dims<"n", "seq">> {
    // CHECK-NEXT: "nn.slice"(%y) {{.*}} ends = ["seq"]{{.*}} -> tensor<?xf32, #kw.dims<"seq">>
    %0 = "nn.slice"(%y) {starts = array<i64: 0>, ends = ["min(seq, 512)"], steps = array<i64: 1>} : (tensor<512xf32>) -> tensor<?xf32, #kw.dims<"min(seq, 512)">>
    %1 = "nn.add"(%x, %0) : (tensor<?x?xf32, #kw.dims<"n", "seq">>, tensor<?xf32, #kw.dims<"min(seq, 512)">>) -> tensor<?x?xf32, #kw.dims<"n", "seq">>
    return %1 : tensor<?x?xf32, #kw.dims<"n", "seq">>
  }
}
