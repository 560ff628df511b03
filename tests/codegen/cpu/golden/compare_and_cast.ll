declare <32 x float> @llvm.masked.load.v32f32.p0(ptr, i32, <32 x i1>, <32 x float>)
declare void @kw_barrier(ptr, i64)
declare void @llvm.masked.store.v32i64.p0(<32 x i64>, ptr, i32, <32 x i1>)

; kernel
define internal void @kernel.item(ptr %arg0, ptr %arg1, ptr %arg2, i64 %program.0, i64 %grid.0, i64 %workers, ptr %barrier) nounwind {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, 32
  br i1 %more, label %body, label %done
body:
  %address = getelementptr float, ptr %arg0, i64 %i
  %load = load <32 x float>, ptr %address, align 16
  %address.1 = getelementptr float, ptr %arg1, i64 %i
  %load.1 = load <32 x float>, ptr %address.1, align 16
  %cmpf = fcmp olt <32 x float> %load, %load.1
  %convert = zext <32 x i1> %cmpf to <32 x i64>
  %address.2 = getelementptr i64, ptr %arg2, i64 %i
  store <32 x i64> %convert, ptr %address.2, align 16
  %next = add nsw i64 %i, 32
  br label %loop
done:
  br label %loop.1
loop.1:
  %i.1 = phi i64 [ 32, %done ], [ %next.1, %body.1 ]
  %more.1 = icmp slt i64 %i.1, 60
  br i1 %more.1, label %body.1, label %done.1
body.1:
  %address.3 = getelementptr float, ptr %arg0, i64 %i.1
  %lane = insertelement <32 x i64> poison, i64 %i.1, i64 0
  %splat = shufflevector <32 x i64> %lane, <32 x i64> poison, <32 x i32> zeroinitializer
  %indices = add <32 x i64> %splat, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15, i64 16, i64 17, i64 18, i64 19, i64 20, i64 21, i64 22, i64 23, i64 24, i64 25, i64 26, i64 27, i64 28, i64 29, i64 30, i64 31>
  %inside = icmp ult <32 x i64> %indices, splat (i64 60)
  %load.2 = call <32 x float> @llvm.masked.load.v32f32.p0(ptr %address.3, i32 16, <32 x i1> %inside, <32 x float> splat (float 0.0))
  %address.4 = getelementptr float, ptr %arg1, i64 %i.1
  %lane.1 = insertelement <32 x i64> poison, i64 %i.1, i64 0
  %splat.1 = shufflevector <32 x i64> %lane.1, <32 x i64> poison, <32 x i32> zeroinitializer
  %indices.1 = add <32 x i64> %splat.1, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15, i64 16, i64 17, i64 18, i64 19, i64 20, i64 21, i64 22, i64 23, i64 24, i64 25, i64 26, i64 27, i64 28, i64 29, i64 30, i64 31>
  %inside.1 = icmp ult <32 x i64> %indices.1, splat (i64 60)
  %load.3 = call <32 x float> @llvm.masked.load.v32f32.p0(ptr %address.4, i32 16, <32 x i1> %inside.1, <32 x float> splat (float 0.0))
  %cmpf.1 = fcmp olt <32 x float> %load.2, %load.3
  %convert.1 = zext <32 x i1> %cmpf.1 to <32 x i64>
  %address.5 = getelementptr i64, ptr %arg2, i64 %i.1
  %lane.2 = insertelement <32 x i64> poison, i64 %i.1, i64 0
  %splat.2 = shufflevector <32 x i64> %lane.2, <32 x i64> poison, <32 x i32> zeroinitializer
  %indices.2 = add <32 x i64> %splat.2, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15, i64 16, i64 17, i64 18, i64 19, i64 20, i64 21, i64 22, i64 23, i64 24, i64 25, i64 26, i64 27, i64 28, i64 29, i64 30, i64 31>
  %inside.2 = icmp ult <32 x i64> %indices.2, splat (i64 60)
  call void @llvm.masked.store.v32i64.p0(<32 x i64> %convert.1, ptr %address.5, i32 16, <32 x i1> %inside.2)
  %next.1 = add nsw i64 %i.1, 32
  br label %loop.1
done.1:
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
