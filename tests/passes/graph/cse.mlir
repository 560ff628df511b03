// RUN: kernelwright opt %s --pass-pipeline=cse --split-input-file | filecheck %s

// CHECK-LABEL: func.func @equal_ops_merge
func.func @equal_ops_merge(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: %0 = "nn.relu"(%x)
  // CHECK-NEXT: %1 = "nn.add"(%0, %0)
  // CHECK-NEXT: return %1
  %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %2 = "nn.add"(%0, %1) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @merging_goes_on_through_users
func.func @merging_goes_on_through_users(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK-NEXT: %0 = "nn.relu"(%x)
  // CHECK-NEXT: %1 = "nn.neg"(%0)
  // CHECK-NEXT: return %1, %1
  %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %2 = "nn.neg"(%0) : (tensor<4xf32>) -> tensor<4xf32>
  %3 = "nn.neg"(%1) : (tensor<4xf32>) -> tensor<4xf32>
  return %2, %3 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @attributes_tell_ops_apart
func.func @attributes_tell_ops_apart(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK: "nn.leaky_relu"
  // CHECK: "nn.leaky_relu"
  %0 = "nn.leaky_relu"(%x) {alpha = 0.1 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.leaky_relu"(%x) {alpha = 0.2 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @operands_of_a_sum_may_change_places
func.func @operands_of_a_sum_may_change_places(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK-NEXT: %0 = "nn.add"
  // CHECK-NEXT: return %0, %0
  %0 = "nn.add"(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.add"(%y, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @operands_of_a_difference_may_not
func.func @operands_of_a_difference_may_not(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK: "nn.sub"
  // CHECK: "nn.sub"
  %0 = "nn.sub"(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.sub"(%y, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @unknown_ops_are_left_alone
func.func @unknown_ops_are_left_alone(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK: "their.op"
  // CHECK: "their.op"
  %0 = "their.op"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "their.op"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @the_names_of_merged_ops_stay
func.func @the_names_of_merged_ops_stay(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK: loc(fused["/a/Relu", "/b/Relu"])
  %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32> loc("/a/Relu")
  %1 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32> loc("/b/Relu")
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
