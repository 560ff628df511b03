declare <32 x float> @llvm.fma.v32f32(<32 x float>, <32 x float>, <32 x float>)
declare <32 x float> @llvm.masked.load.v32f32.p0(ptr, i32, <32 x i1>, <32 x float>)
declare void @kw_barrier(ptr, i64)
declare void @llvm.masked.store.v32f32.p0(<32 x float>, ptr, i32, <32 x i1>)

define internal <32 x float> @kw.exp.v32f32(<32 x float> %x) alwaysinline nounwind {
entry:
  %fcmp = fcmp olt <32 x float> %x, splat (float -104.0)
  %select = select <32 x i1> %fcmp, <32 x float> splat (float -104.0), <32 x float> %x
  %fcmp.1 = fcmp ogt <32 x float> %select, splat (float 89.0)
  %select.1 = select <32 x i1> %fcmp.1, <32 x float> splat (float 89.0), <32 x float> %select
  %fma = call <32 x float> @llvm.fma.v32f32(<32 x float> %select.1, <32 x float> splat (float 0x3FF7154760000000), <32 x float> splat (float 0x4168000000000000))
  %fsub = fsub <32 x float> %fma, splat (float 0x4168000000000000)
  %fma.1 = call <32 x float> @llvm.fma.v32f32(<32 x float> %fsub, <32 x float> splat (float 0xBFE62E4000000000), <32 x float> %select.1)
  %fma.2 = call <32 x float> @llvm.fma.v32f32(<32 x float> %fsub, <32 x float> splat (float 0xBEB7F7D1C0000000), <32 x float> %fma.1)
  %fmul = fmul <32 x float> %fma.2, %fma.2
  %fma.3 = call <32 x float> @llvm.fma.v32f32(<32 x float> splat (float 0x3F56DB47A0000000), <32 x float> %fma.2, <32 x float> splat (float 0x3F8123B920000000))
  %fma.4 = call <32 x float> @llvm.fma.v32f32(<32 x float> %fma.3, <32 x float> %fma.2, <32 x float> splat (float 0x3FA55545E0000000))
  %fma.5 = call <32 x float> @llvm.fma.v32f32(<32 x float> %fma.4, <32 x float> %fma.2, <32 x float> splat (float 0x3FC55548E0000000))
  %fma.6 = call <32 x float> @llvm.fma.v32f32(<32 x float> %fma.5, <32 x float> %fma.2, <32 x float> splat (float 0.5))
  %fma.7 = call <32 x float> @llvm.fma.v32f32(<32 x float> %fmul, <32 x float> %fma.6, <32 x float> %fma.2)
  %bits = bitcast <32 x float> %fma to <32 x i32>
  %sub = sub <32 x i32> %bits, splat (i32 1262485504)
  %ashr = ashr <32 x i32> %sub, splat (i32 1)
  %sub.1 = sub <32 x i32> %sub, %ashr
  %add = add <32 x i32> %ashr, splat (i32 127)
  %shl = shl <32 x i32> %add, splat (i32 23)
  %bits.1 = bitcast <32 x i32> %shl to <32 x float>
  %add.1 = add <32 x i32> %sub.1, splat (i32 127)
  %shl.1 = shl <32 x i32> %add.1, splat (i32 23)
  %bits.2 = bitcast <32 x i32> %shl.1 to <32 x float>
  %fadd = fadd <32 x float> %fma.7, splat (float 1.0)
  %fmul.1 = fmul <32 x float> %fadd, %bits.1
  %fmul.2 = fmul <32 x float> %fmul.1, %bits.2
  ret <32 x float> %fmul.2
}

; kernel
define internal void @kernel.item(ptr %arg0, ptr %arg1, ptr %arg2, i64 %program.0, i64 %grid.0, i64 %workers, ptr %barrier) nounwind {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, 160
  br i1 %more, label %body, label %done
body:
  %address = getelementptr float, ptr %arg0, i64 %i
  %load = load <32 x float>, ptr %address, align 16
  %exp = call <32 x float> @kw.exp.v32f32(<32 x float> %load)
  %address.1 = getelementptr float, ptr %arg1, i64 %i
  %load.1 = load <32 x float>, ptr %address.1, align 16
  %mulf = fmul contract <32 x float> %exp, %load.1
  %address.2 = getelementptr float, ptr %arg2, i64 %i
  store <32 x float> %mulf, ptr %address.2, align 16
  %next = add nsw i64 %i, 32
  br label %loop
done:
  br label %loop.1
loop.1:
  %i.1 = phi i64 [ 160, %done ], [ %next.1, %body.1 ]
  %more.1 = icmp slt i64 %i.1, 165
  br i1 %more.1, label %body.1, label %done.1
body.1:
  %address.3 = getelementptr float, ptr %arg0, i64 %i.1
  %lane = insertelement <32 x i64> poison, i64 %i.1, i64 0
  %splat = shufflevector <32 x i64> %lane, <32 x i64> poison, <32 x i32> zeroinitializer
  %indices = add <32 x i64> %splat, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15, i64 16, i64 17, i64 18, i64 19, i64 20, i64 21, i64 22, i64 23, i64 24, i64 25, i64 26, i64 27, i64 28, i64 29, i64 30, i64 31>
  %inside = icmp ult <32 x i64> %indices, splat (i64 165)
  %load.2 = call <32 x float> @llvm.masked.load.v32f32.p0(ptr %address.3, i32 4, <32 x i1> %inside, <32 x float> splat (float 0.0))
  %exp.1 = call <32 x float> @kw.exp.v32f32(<32 x float> %load.2)
  %address.4 = getelementptr float, ptr %arg1, i64 %i.1
  %lane.1 = insertelement <32 x i64> poison, i64 %i.1, i64 0
  %splat.1 = shufflevector <32 x i64> %lane.1, <32 x i64> poison, <32 x i32> zeroinitializer
  %indices.1 = add <32 x i64> %splat.1, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15, i64 16, i64 17, i64 18, i64 19, i64 20, i64 21, i64 22, i64 23, i64 24, i64 25, i64 26, i64 27, i64 28, i64 29, i64 30, i64 31>
  %inside.1 = icmp ult <32 x i64> %indices.1, splat (i64 165)
  %load.3 = call <32 x float> @llvm.masked.load.v32f32.p0(ptr %address.4, i32 4, <32 x i1> %inside.1, <32 x float> splat (float 0.0))
  %mulf.1 = fmul contract <32 x float> %exp.1, %load.3
  %address.5 = getelementptr float, ptr %arg2, i64 %i.1
  %lane.2 = insertelement <32 x i64> poison, i64 %i.1, i64 0
  %splat.2 = shufflevector <32 x i64> %lane.2, <32 x i64> poison, <32 x i32> zeroinitializer
  %indices.2 = add <32 x i64> %splat.2, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15, i64 16, i64 17, i64 18, i64 19, i64 20, i64 21, i64 22, i64 23, i64 24, i64 25, i64 26, i64 27, i64 28, i64 29, i64 30, i64 31>
  %inside.2 = icmp ult <32 x i64> %indices.2, splat (i64 165)
  call void @llvm.masked.store.v32f32.p0(<32 x float> %mulf.1, ptr %address.5, i32 4, <32 x i1> %inside.2)
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
