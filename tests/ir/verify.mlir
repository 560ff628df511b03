// RUN: kernelwright opt %s --split-input-file --verify-diagnostics

func.func @used_before_it_is_defined(%x: f32) {
  // expected-error@+1 {{'t.a' operand 0 is a result of 't.b' and is used before it is defined}}
  %0 = "t.a"(%1) : (f32) -> f32
  %1 = "t.b"(%x) : (f32) -> f32
  return
}

// -----

func.func @used_outside_its_region(%x: i1) {
  // expected-error@+1 {{operand 0 is a result of 't.a' of a region that this op is not in}}
  "t.use"(%0) : (f32) -> ()
  "t.if"(%x) ({
    %0 = "t.a"() : () -> f32
  }) : (i1) -> ()
  return
}

// -----

module {
  %0 = "t.a"() : () -> f32
  func.func @isolated() {
    // expected-error@+1 {{the value %0 is not defined here}}
    "t.use"(%0) : (f32) -> ()
    return
  }
}

// -----

func.func @used_by_itself() {
  // expected-error@+1 {{operand 0 is a result of 't.a' and is used before it is defined}}
  %0 = "t.a"(%0) : (f32) -> f32
  return
}

// -----

func.func @used_inside_the_op_that_defines_it() {
  %0 = "t.a"() ({
    // expected-error@+1 {{operand 0 is a result of 't.a' and is used before it is defined}}
    "t.use"(%0) : (f32) -> ()
  }) : () -> f32
  return
}

// -----

// expected-error@+1 {{@no_return must end with a return}}
func.func @no_return() {
  "t.a"() : () -> ()
}

// -----

func.func @ops_after_the_terminator() {
  // expected-error@+1 {{'func.return' ends a block, yet other ops follow it}}
  "func.return"() : () -> ()
  return
}

// -----

func.func @not_a_terminator(%c: i1, %x: f32) {
  // expected-error@+1 {{must end its region with scf.yield}}
  "scf.if"(%c) ({
    // expected-error@+1 {{'arith.addf' ends a block of 'scf.if' and is no terminator}}
    %0 = "arith.addf"(%x, %x) : (f32, f32) -> f32
  }, {
  }) : (i1) -> ()
  return
}

// -----

// expected-error@+1 {{@result returns (f32) where its type says (f64)}}
func.func @result(%x: f32) -> f64 {
  return %x : f32
}

// -----

func.func @twice() {
  return
}
// expected-error@+1 {{'func.func' has the symbol @twice, which 'func.func' has already}}
func.func @twice() {
  return
}

// -----

func.func @there() {
  return
}
func.func @symbol_that_is_not_there() {
  // expected-error@+2 {{calls @ther, which is no function of the module}}
  // expected-error@+1 {{refers to @ther, which is not there; did you mean 'there'?}}
  "func.call"() {callee = @ther} : () -> ()
  return
}

// -----

func.func @operand_count(%x: f32) {
  // expected-error@+1 {{'arith.addf' takes 2 operands (lhs, rhs), found 1}}
  %0 = "arith.addf"(%x) : (f32) -> f32
  return
}

// -----

func.func @result_type(%x: f32) {
  // expected-error@+1 {{'arith.addf' has result types (f64) where (f32) follows}}
  %0 = "arith.addf"(%x, %x) : (f32, f32) -> f64
  return
}

// -----

func.func @operand_types(%x: f32, %y: f64) {
  // expected-error@+1 {{'arith.addf' takes two of one type, found f32 and f64}}
  %0 = "arith.addf"(%x, %y) : (f32, f64) -> f32
  return
}

// -----

func.func @attributes(%x: index) {
  // expected-error@+1 {{'arith.cmpi' needs the attribute 'predicate'}}
  %0 = "arith.cmpi"(%x, %x) : (index, index) -> i1
  // expected-error@+1 {{attribute 'predicate' must be an integer, found "eq"}}
  %1 = "arith.cmpi"(%x, %x) {predicate = "eq"} : (index, index) -> i1
  return
}

// -----

func.func @attribute_name(%x: f32) {
  // expected-error@+1 {{'arith.addf' has no attribute 'fastmth'; did you mean 'fastmath'?}}
  %0 = "arith.addf"(%x, %x) {fastmth = 1 : i64} : (f32, f32) -> f32
  return
}

// -----

func.func @regions(%c: i1) {
  // expected-error@+1 {{'scf.if' has two regions}}
  "scf.if"(%c) ({
    "scf.yield"() : () -> ()
  }) : (i1) -> ()
  return
}

// -----

func.func @carried_types(%i: index, %x: f32) {
  // expected-error@+1 {{has a region of (index, f64) where (index, f32) follows}}
  %0 = "scf.for"(%i, %i, %i, %x) ({
  ^bb0(%k: index, %acc: f64):
    "scf.yield"(%x) : (f32) -> ()
  }) : (index, index, index, f32) -> f32
  return
}

// -----

func.func @a_size_before_it_is_read(%k: tensor<1xi64>) {
  // expected-error@+1 {{'nn.iota' has a result of the size 'run_0', which no 'nn.read_sizes' before it reads}}
  %0 = "nn.iota"() {axis = 0 : i64} : () -> tensor<?xi64, #kw.dims<"run_0">>
  "nn.read_sizes"(%k) {symbols = ["run_0"]} : (tensor<1xi64>) -> ()
  %1 = "nn.iota"() {axis = 0 : i64} : () -> tensor<?xi64, #kw.dims<"run_0">>
  return
}

// -----

func.func @a_size_that_a_branch_reads(%k: tensor<1xi64>, %c: tensor<i1>) {
  "nn.if"(%c) ({
    "nn.read_sizes"(%k) {symbols = ["run_0"]} : (tensor<1xi64>) -> ()
    %0 = "nn.iota"() {axis = 0 : i64} : () -> tensor<?xi64, #kw.dims<"run_0">>
    "nn.yield"() : () -> ()
  }, {
    "nn.yield"() : () -> ()
  }) : (tensor<i1>) -> ()
  // expected-error@+1 {{'nn.iota' has a result of the size 'run_0', which no 'nn.read_sizes' before it reads}}
  %1 = "nn.iota"() {axis = 0 : i64} : () -> tensor<?xi64, #kw.dims<"run_0">>
  return
}
