declare void @kw_barrier(ptr, i64)

; kernel
define internal void @kernel.item(ptr %arg0, ptr %arg1, i64 %program.0, i64 %grid.0, i64 %workers, ptr %barrier) nounwind {
entry:
  %by = mul i64 %program.0, 16
  br label %loop
loop:
  %i = phi i64 [ %by, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, 16
  br i1 %more, label %body, label %done
body:
  %by.1 = mul i64 %i, 32
  %address = getelementptr float, ptr %arg0, i64 %by.1
  %load = load <8 x float>, ptr %address, align 4
  %strided = shufflevector <8 x float> poison, <8 x float> %load, <8 x i32> <i32 8, i32 10, i32 12, i32 14, i32 4, i32 5, i32 6, i32 7>
  %address.1 = getelementptr float, ptr %address, i64 7
  %load.1 = load <8 x float>, ptr %address.1, align 4
  %strided.1 = shufflevector <8 x float> %strided, <8 x float> %load.1, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 9, i32 11, i32 13, i32 15>
  %order = fcmp ogt <8 x float> splat (float 0xFFF0000000000000), %strided.1
  %max = select <8 x i1> %order, <8 x float> splat (float 0xFFF0000000000000), <8 x float> %strided.1
  %at = add i64 %by.1, 1
  %address.2 = getelementptr float, ptr %arg0, i64 %at
  %load.2 = load <8 x float>, ptr %address.2, align 4
  %strided.2 = shufflevector <8 x float> poison, <8 x float> %load.2, <8 x i32> <i32 8, i32 10, i32 12, i32 14, i32 4, i32 5, i32 6, i32 7>
  %address.3 = getelementptr float, ptr %address.2, i64 7
  %load.3 = load <8 x float>, ptr %address.3, align 4
  %strided.3 = shufflevector <8 x float> %strided.2, <8 x float> %load.3, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 9, i32 11, i32 13, i32 15>
  %order.1 = fcmp ogt <8 x float> %strided.3, %max
  %max.1 = select <8 x i1> %order.1, <8 x float> %strided.3, <8 x float> %max
  %nan = fcmp uno <8 x float> %strided.3, %strided.3
  %max.2 = select <8 x i1> %nan, <8 x float> %strided.3, <8 x float> %max.1
  %at.1 = add i64 %by.1, 16
  %address.4 = getelementptr float, ptr %arg0, i64 %at.1
  %load.4 = load <8 x float>, ptr %address.4, align 4
  %strided.4 = shufflevector <8 x float> poison, <8 x float> %load.4, <8 x i32> <i32 8, i32 10, i32 12, i32 14, i32 4, i32 5, i32 6, i32 7>
  %address.5 = getelementptr float, ptr %address.4, i64 7
  %load.5 = load <8 x float>, ptr %address.5, align 4
  %strided.5 = shufflevector <8 x float> %strided.4, <8 x float> %load.5, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 9, i32 11, i32 13, i32 15>
  %order.2 = fcmp ogt <8 x float> %strided.5, %max.2
  %max.3 = select <8 x i1> %order.2, <8 x float> %strided.5, <8 x float> %max.2
  %nan.1 = fcmp uno <8 x float> %strided.5, %strided.5
  %max.4 = select <8 x i1> %nan.1, <8 x float> %strided.5, <8 x float> %max.3
  %at.2 = add i64 %by.1, 17
  %address.6 = getelementptr float, ptr %arg0, i64 %at.2
  %load.6 = load <8 x float>, ptr %address.6, align 4
  %strided.6 = shufflevector <8 x float> poison, <8 x float> %load.6, <8 x i32> <i32 8, i32 10, i32 12, i32 14, i32 4, i32 5, i32 6, i32 7>
  %address.7 = getelementptr float, ptr %address.6, i64 7
  %load.7 = load <8 x float>, ptr %address.7, align 4
  %strided.7 = shufflevector <8 x float> %strided.6, <8 x float> %load.7, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 9, i32 11, i32 13, i32 15>
  %order.3 = fcmp ogt <8 x float> %strided.7, %max.4
  %max.5 = select <8 x i1> %order.3, <8 x float> %strided.7, <8 x float> %max.4
  %nan.2 = fcmp uno <8 x float> %strided.7, %strided.7
  %max.6 = select <8 x i1> %nan.2, <8 x float> %strided.7, <8 x float> %max.5
  %by.2 = mul i64 %i, 8
  %address.8 = getelementptr float, ptr %arg1, i64 %by.2
  store <8 x float> %max.6, ptr %address.8, align 16
  %next = add nsw i64 %i, 1
  br label %loop
done:
  ret void
}

define internal void @kernel.run(ptr %arg0, ptr %arg1, i64 %worker, i64 %workers, ptr %barrier) noinline nounwind {
entry:
  %after = add i64 %worker, 1
  %end = udiv i64 %worker, %workers
  %end.1 = udiv i64 %after, %workers
  br label %loop
loop:
  %item = phi i64 [ %end, %entry ], [ %next, %work ]
  %more = icmp ult i64 %item, %end.1
  br i1 %more, label %work, label %done
work:
  call void @kernel.item(ptr %arg0, ptr %arg1, i64 %item, i64 1, i64 %workers, ptr %barrier)
  %next = add i64 %item, 1
  br label %loop
done:
  ret void
}

define void @kernel(ptr %table, ptr %scalars, i64 %worker, i64 %workers, ptr %barrier) nounwind {
entry:
  %value = load ptr, ptr %table
  %at = getelementptr ptr, ptr %table, i64 1
  %value.1 = load ptr, ptr %at
  call void @kernel.run(ptr %value, ptr %value.1, i64 %worker, i64 %workers, ptr %barrier)
  ret void
}
