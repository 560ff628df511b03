// RUN: kernelwright opt %s --split-input-file --verify-diagnostics

func.func @undefined(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{%y}}
  return %y : tensor<4xf32>
}

// -----

func.func @another_type(%x: tensor<4xf32>) -> tensor<5xf32> {
  %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<5xf32> // expected-error {{tensor<5xf32>}}
  return %0 : tensor<5xf32>
}
