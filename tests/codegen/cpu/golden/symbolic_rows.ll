declare <32 x float> @llvm.masked.gather.v32f32.v32p0(<32 x ptr>, i32, <32 x i1>, <32 x float>)
declare i64 @llvm.smin.i64(i64, i64)
declare void @kw_barrier(ptr, i64)
declare void @llvm.masked.store.v32f32.p0(<32 x float>, ptr, i32, <32 x i1>)

; kernel
define internal void @kernel.item(ptr %arg0, ptr %arg1, i64 %batch, i64 %program.0, i64 %grid.0, i64 %workers, ptr %barrier) nounwind {
entry:
  %by = mul i64 24, %batch
  %neg = sub i64 0, %batch
  %quotient = sdiv i64 %neg, 8192
  %rest = srem i64 %neg, 8192
  %below = ashr i64 %rest, 63
  %floordiv = add i64 %quotient, %below
  %ceildiv = sub i64 0, %floordiv
  %zero = icmp eq i64 %ceildiv, 0
  %minus = icmp eq i64 %ceildiv, -1
  %safe = select i1 %zero, i64 1, i64 %ceildiv
  %divui = udiv i64 %program.0, %safe
  %divui.1 = select i1 %zero, i64 0, i64 %divui
  %by.1 = mul i64 %divui.1, %ceildiv
  %by.2 = mul i64 %by.1, -8192
  %by.3 = mul i64 %program.0, 8192
  %at = add i64 %by.2, %by.3
  %at.1 = add i64 %at, 8192
  %smin = call i64 @llvm.smin.i64(i64 %at.1, i64 %batch)
  %quotient.1 = sdiv i64 %smin, 32
  %rest.1 = srem i64 %smin, 32
  %below.1 = ashr i64 %rest.1, 63
  %floordiv.1 = add i64 %quotient.1, %below.1
  %by.4 = mul i64 %floordiv.1, 32
  br label %loop
loop:
  %i = phi i64 [ %at, %entry ], [ %next.1, %done.1 ]
  %more = icmp slt i64 %i, %by.4
  br i1 %more, label %body, label %done
body:
  br label %loop.1
loop.1:
  %i.1 = phi i64 [ 0, %body ], [ %next, %body.1 ]
  %carried = phi <32 x float> [ splat (float 0xFFF0000000000000), %body ], [ %max.1, %body.1 ]
  %more.1 = icmp slt i64 %i.1, 24
  br i1 %more.1, label %body.1, label %done.1
body.1:
  %by.5 = mul i64 %i, 24
  %at.2 = add i64 %by.5, %i.1
  %address = getelementptr float, ptr %arg0, i64 %at.2
  %offsets = mul <32 x i64> splat (i64 24), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15, i64 16, i64 17, i64 18, i64 19, i64 20, i64 21, i64 22, i64 23, i64 24, i64 25, i64 26, i64 27, i64 28, i64 29, i64 30, i64 31>
  %pointers = getelementptr float, ptr %address, <32 x i64> %offsets
  %gather = call <32 x float> @llvm.masked.gather.v32f32.v32p0(<32 x ptr> %pointers, i32 4, <32 x i1> splat (i1 true), <32 x float> splat (float 0.0))
  %order = fcmp ogt <32 x float> %gather, %carried
  %max = select <32 x i1> %order, <32 x float> %gather, <32 x float> %carried
  %nan = fcmp uno <32 x float> %gather, %gather
  %max.1 = select <32 x i1> %nan, <32 x float> %gather, <32 x float> %max
  %next = add nsw i64 %i.1, 1
  br label %loop.1
done.1:
  %address.1 = getelementptr float, ptr %arg1, i64 %i
  store <32 x float> %carried, ptr %address.1, align 16
  %next.1 = add nsw i64 %i, 32
  br label %loop
done:
  br label %loop.2
loop.2:
  %i.2 = phi i64 [ %by.4, %done ], [ %next.3, %done.3 ]
  %more.2 = icmp slt i64 %i.2, %smin
  br i1 %more.2, label %body.2, label %done.2
body.2:
  br label %loop.3
loop.3:
  %i.3 = phi i64 [ 0, %body.2 ], [ %next.2, %body.3 ]
  %carried.1 = phi <32 x float> [ splat (float 0xFFF0000000000000), %body.2 ], [ %max.3, %body.3 ]
  %more.3 = icmp slt i64 %i.3, 24
  br i1 %more.3, label %body.3, label %done.3
body.3:
  %by.6 = mul i64 %i.2, 24
  %at.3 = add i64 %by.6, %i.3
  %address.2 = getelementptr float, ptr %arg0, i64 %at.3
  %lane = insertelement <32 x i64> poison, i64 %i.2, i64 0
  %splat = shufflevector <32 x i64> %lane, <32 x i64> poison, <32 x i32> zeroinitializer
  %indices = add <32 x i64> %splat, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15, i64 16, i64 17, i64 18, i64 19, i64 20, i64 21, i64 22, i64 23, i64 24, i64 25, i64 26, i64 27, i64 28, i64 29, i64 30, i64 31>
  %lane.1 = insertelement <32 x i64> poison, i64 %batch, i64 0
  %splat.1 = shufflevector <32 x i64> %lane.1, <32 x i64> poison, <32 x i32> zeroinitializer
  %inside = icmp ult <32 x i64> %indices, %splat.1
  %offsets.1 = mul <32 x i64> splat (i64 24), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15, i64 16, i64 17, i64 18, i64 19, i64 20, i64 21, i64 22, i64 23, i64 24, i64 25, i64 26, i64 27, i64 28, i64 29, i64 30, i64 31>
  %pointers.1 = getelementptr float, ptr %address.2, <32 x i64> %offsets.1
  %gather.1 = call <32 x float> @llvm.masked.gather.v32f32.v32p0(<32 x ptr> %pointers.1, i32 4, <32 x i1> %inside, <32 x float> splat (float 0.0))
  %order.1 = fcmp ogt <32 x float> %gather.1, %carried.1
  %max.2 = select <32 x i1> %order.1, <32 x float> %gather.1, <32 x float> %carried.1
  %nan.1 = fcmp uno <32 x float> %gather.1, %gather.1
  %max.3 = select <32 x i1> %nan.1, <32 x float> %gather.1, <32 x float> %max.2
  %next.2 = add nsw i64 %i.3, 1
  br label %loop.3
done.3:
  %address.3 = getelementptr float, ptr %arg1, i64 %i.2
  %lane.2 = insertelement <32 x i64> poison, i64 %i.2, i64 0
  %splat.2 = shufflevector <32 x i64> %lane.2, <32 x i64> poison, <32 x i32> zeroinitializer
  %indices.1 = add <32 x i64> %splat.2, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15, i64 16, i64 17, i64 18, i64 19, i64 20, i64 21, i64 22, i64 23, i64 24, i64 25, i64 26, i64 27, i64 28, i64 29, i64 30, i64 31>
  %lane.3 = insertelement <32 x i64> poison, i64 %batch, i64 0
  %splat.3 = shufflevector <32 x i64> %lane.3, <32 x i64> poison, <32 x i32> zeroinitializer
  %inside.1 = icmp ult <32 x i64> %indices.1, %splat.3
  call void @llvm.masked.store.v32f32.p0(<32 x float> %carried.1, ptr %address.3, i32 4, <32 x i1> %inside.1)
  %next.3 = add nsw i64 %i.2, 32
  br label %loop.2
done.2:
  ret void
}

define internal void @kernel.run(ptr %arg0, ptr %arg1, i64 %batch, i64 %worker, i64 %workers, ptr %barrier) noinline nounwind {
entry:
  %neg = sub i64 0, %batch
  %quotient = sdiv i64 %neg, 8192
  %rest = srem i64 %neg, 8192
  %below = ashr i64 %rest, 63
  %floordiv = add i64 %quotient, %below
  %ceildiv = sub i64 0, %floordiv
  %after = add i64 %worker, 1
  %by = mul i64 %ceildiv, %worker
  %end = udiv i64 %by, %workers
  %by.1 = mul i64 %ceildiv, %after
  %end.1 = udiv i64 %by.1, %workers
  br label %loop
loop:
  %item = phi i64 [ %end, %entry ], [ %next, %work ]
  %more = icmp ult i64 %item, %end.1
  br i1 %more, label %work, label %done
work:
  call void @kernel.item(ptr %arg0, ptr %arg1, i64 %batch, i64 %item, i64 %ceildiv, i64 %workers, ptr %barrier)
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
  %value.2 = load i64, ptr %scalars
  call void @kernel.run(ptr %value, ptr %value.1, i64 %value.2, i64 %worker, i64 %workers, ptr %barrier)
  ret void
}
