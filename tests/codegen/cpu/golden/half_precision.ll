declare <8 x half> @llvm.masked.load.v8f16.p0(ptr, i32, <8 x i1>, <8 x half>)
declare void @kw_barrier(ptr, i64)
declare void @llvm.masked.store.v8f16.p0(<8 x half>, ptr, i32, <8 x i1>)

; kernel
define internal void @kernel.item(ptr %arg0, ptr %arg1, ptr %arg2, i64 %program.0, i64 %grid.0, i64 %workers, ptr %barrier) nounwind {
entry:
  %indices = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %inside = icmp ult <8 x i64> %indices, splat (i64 7)
  %load = call <8 x half> @llvm.masked.load.v8f16.p0(ptr %arg0, i32 2, <8 x i1> %inside, <8 x half> splat (half 0.0))
  %wide = fpext <8 x half> %load to <8 x float>
  %indices.1 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %inside.1 = icmp ult <8 x i64> %indices.1, splat (i64 7)
  %load.1 = call <8 x half> @llvm.masked.load.v8f16.p0(ptr %arg1, i32 2, <8 x i1> %inside.1, <8 x half> splat (half 0.0))
  %wide.1 = fpext <8 x half> %load.1 to <8 x float>
  %addf = fadd contract <8 x float> %wide, %wide.1
  %half = fptrunc <8 x float> %addf to <8 x half>
  %indices.2 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %inside.2 = icmp ult <8 x i64> %indices.2, splat (i64 7)
  call void @llvm.masked.store.v8f16.p0(<8 x half> %half, ptr %arg2, i32 2, <8 x i1> %inside.2)
  ret void
}

define internal void @kernel.run(ptr %arg0, ptr %arg1, ptr %arg2, i64 %worker, i64 %workers, ptr %barrier) noinline nounwind {
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
  call void @kernel.item(ptr %arg0, ptr %arg1, ptr %arg2, i64 %item, i64 1, i64 %workers, ptr %barrier)
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
  %at.1 = getelementptr ptr, ptr %table, i64 2
  %value.2 = load ptr, ptr %at.1
  call void @kernel.run(ptr %value, ptr %value.1, ptr %value.2, i64 %worker, i64 %workers, ptr %barrier)
  ret void
}
