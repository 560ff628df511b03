declare <16 x float> @llvm.copysign.v16f32(<16 x float>, <16 x float>)
declare <16 x float> @llvm.fabs.v16f32(<16 x float>)
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
declare void @kw_barrier(ptr, i64)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)

define internal <16 x float> @kw.erf.v16f32(<16 x float> %x) alwaysinline nounwind {
entry:
  %fabs = call <16 x float> @llvm.fabs.v16f32(<16 x float> %x)
  %fmul = fmul <16 x float> %x, %x
  %fma = call <16 x float> @llvm.fma.v16f32(<16 x float> splat (float 0xBF43700580000000), <16 x float> %fmul, <16 x float> splat (float 0x3F74682A60000000))
  %fma.1 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma, <16 x float> %fmul, <16 x float> splat (float 0xBF9B66DD80000000))
  %fma.2 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma.1, <16 x float> %fmul, <16 x float> splat (float 0x3FBCE18920000000))
  %fma.3 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma.2, <16 x float> %fmul, <16 x float> splat (float 0xBFD8126DC0000000))
  %fma.4 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma.3, <16 x float> %fmul, <16 x float> splat (float 0x3FC06EBA60000000))
  %fma.5 = call <16 x float> @llvm.fma.v16f32(<16 x float> %x, <16 x float> %fma.4, <16 x float> %x)
  %fcmp = fcmp ogt <16 x float> %fabs, splat (float 4.0)
  %select = select <16 x i1> %fcmp, <16 x float> splat (float 4.0), <16 x float> %fabs
  %fma.6 = call <16 x float> @llvm.fma.v16f32(<16 x float> splat (float 0x3EE6928900000000), <16 x float> %select, <16 x float> splat (float 0xBF34D82FA0000000))
  %fma.7 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma.6, <16 x float> %select, <16 x float> splat (float 0x3F6DADD360000000))
  %fma.8 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma.7, <16 x float> %select, <16 x float> splat (float 0xBF984A1BA0000000))
  %fma.9 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma.8, <16 x float> %select, <16 x float> splat (float 0x3FBB2F1CC0000000))
  %fma.10 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma.9, <16 x float> %select, <16 x float> splat (float 0x3FE4536820000000))
  %fma.11 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma.10, <16 x float> %select, <16 x float> splat (float 0x3FF20EE9E0000000))
  %fsub = fsub <16 x float> splat (float 0x8000000000000000), %select
  %fmul.1 = fmul <16 x float> %fma.11, %fsub
  %fcmp.1 = fcmp olt <16 x float> %fmul.1, splat (float -104.0)
  %select.1 = select <16 x i1> %fcmp.1, <16 x float> splat (float -104.0), <16 x float> %fmul.1
  %fcmp.2 = fcmp ogt <16 x float> %select.1, splat (float 89.0)
  %select.2 = select <16 x i1> %fcmp.2, <16 x float> splat (float 89.0), <16 x float> %select.1
  %fma.12 = call <16 x float> @llvm.fma.v16f32(<16 x float> %select.2, <16 x float> splat (float 0x3FF7154760000000), <16 x float> splat (float 0x4168000000000000))
  %fsub.1 = fsub <16 x float> %fma.12, splat (float 0x4168000000000000)
  %fma.13 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fsub.1, <16 x float> splat (float 0xBFE62E4000000000), <16 x float> %select.2)
  %fma.14 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fsub.1, <16 x float> splat (float 0xBEB7F7D1C0000000), <16 x float> %fma.13)
  %fmul.2 = fmul <16 x float> %fma.14, %fma.14
  %fma.15 = call <16 x float> @llvm.fma.v16f32(<16 x float> splat (float 0x3F56DB47A0000000), <16 x float> %fma.14, <16 x float> splat (float 0x3F8123B920000000))
  %fma.16 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma.15, <16 x float> %fma.14, <16 x float> splat (float 0x3FA55545E0000000))
  %fma.17 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma.16, <16 x float> %fma.14, <16 x float> splat (float 0x3FC55548E0000000))
  %fma.18 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fma.17, <16 x float> %fma.14, <16 x float> splat (float 0.5))
  %fma.19 = call <16 x float> @llvm.fma.v16f32(<16 x float> %fmul.2, <16 x float> %fma.18, <16 x float> %fma.14)
  %bits = bitcast <16 x float> %fma.12 to <16 x i32>
  %sub = sub <16 x i32> %bits, splat (i32 1262485504)
  %ashr = ashr <16 x i32> %sub, splat (i32 1)
  %sub.1 = sub <16 x i32> %sub, %ashr
  %add = add <16 x i32> %ashr, splat (i32 127)
  %shl = shl <16 x i32> %add, splat (i32 23)
  %bits.1 = bitcast <16 x i32> %shl to <16 x float>
  %add.1 = add <16 x i32> %sub.1, splat (i32 127)
  %shl.1 = shl <16 x i32> %add.1, splat (i32 23)
  %bits.2 = bitcast <16 x i32> %shl.1 to <16 x float>
  %fadd = fadd <16 x float> %fma.19, splat (float 1.0)
  %fmul.3 = fmul <16 x float> %fadd, %bits.1
  %fmul.4 = fmul <16 x float> %fmul.3, %bits.2
  %fsub.2 = fsub <16 x float> splat (float 1.0), %fmul.4
  %fcmp.3 = fcmp olt <16 x float> %fabs, splat (float 0x3FEDC28F60000000)
  %copysign = call <16 x float> @llvm.copysign.v16f32(<16 x float> %fsub.2, <16 x float> %x)
  %select.3 = select <16 x i1> %fcmp.3, <16 x float> %fma.5, <16 x float> %copysign
  ret <16 x float> %select.3
}

; kernel: /layer/MatMul, /layer/Add, /layer/Gelu
define internal void @kernel.item(ptr %arg0, ptr %arg1, ptr %arg2, ptr %arg3, i64 %program.0, i64 %program.1, i64 %program.2, i64 %grid.0, i64 %grid.1, i64 %grid.2, i64 %workers, ptr %barrier) nounwind {
entry:
  %by = mul i64 %program.0, 768
  %by.1 = mul i64 %program.0, 4
  %by.2 = mul i64 %program.1, 48
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %carried = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.36, %body ]
  %carried.1 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.37, %body ]
  %carried.2 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.38, %body ]
  %carried.3 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.39, %body ]
  %carried.4 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.40, %body ]
  %carried.5 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.41, %body ]
  %carried.6 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.42, %body ]
  %carried.7 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.43, %body ]
  %carried.8 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.44, %body ]
  %carried.9 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.45, %body ]
  %carried.10 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.46, %body ]
  %carried.11 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.47, %body ]
  %more = icmp slt i64 %i, 32
  br i1 %more, label %body, label %done
body:
  %by.3 = mul i64 %i, 24
  %at = add i64 %by, %by.3
  %address = getelementptr float, ptr %arg1, i64 %at
  call void @llvm.prefetch.p0(ptr %address, i32 0, i32 2, i32 1)
  %at.1 = add i64 %at, 16
  %address.1 = getelementptr float, ptr %arg1, i64 %at.1
  call void @llvm.prefetch.p0(ptr %address.1, i32 0, i32 2, i32 1)
  %at.2 = add i64 %at, 32
  %address.2 = getelementptr float, ptr %arg1, i64 %at.2
  call void @llvm.prefetch.p0(ptr %address.2, i32 0, i32 2, i32 1)
  %at.3 = add i64 %at, 48
  %address.3 = getelementptr float, ptr %arg1, i64 %at.3
  call void @llvm.prefetch.p0(ptr %address.3, i32 0, i32 2, i32 1)
  %at.4 = add i64 %at, 64
  %address.4 = getelementptr float, ptr %arg1, i64 %at.4
  call void @llvm.prefetch.p0(ptr %address.4, i32 0, i32 2, i32 1)
  %at.5 = add i64 %at, 80
  %address.5 = getelementptr float, ptr %arg1, i64 %at.5
  call void @llvm.prefetch.p0(ptr %address.5, i32 0, i32 2, i32 1)
  %by.4 = mul i64 %by.1, 32
  %at.6 = add i64 %by.4, %i
  %address.6 = getelementptr float, ptr %arg0, i64 %at.6
  %load = load float, ptr %address.6, align 4
  %address.7 = getelementptr float, ptr %address.6, i64 32
  %load.1 = load float, ptr %address.7, align 4
  %address.8 = getelementptr float, ptr %address.6, i64 64
  %load.2 = load float, ptr %address.8, align 4
  %address.9 = getelementptr float, ptr %address.6, i64 96
  %load.3 = load float, ptr %address.9, align 4
  %by.5 = mul i64 %i, 48
  %at.7 = add i64 %by.5, %by.2
  %address.10 = getelementptr float, ptr %arg1, i64 %at.7
  %load.4 = load <16 x float>, ptr %address.10, align 16
  %address.11 = getelementptr float, ptr %address.10, i64 16
  %load.5 = load <16 x float>, ptr %address.11, align 16
  %address.12 = getelementptr float, ptr %address.10, i64 32
  %load.6 = load <16 x float>, ptr %address.12, align 16
  %lane = insertelement <16 x float> poison, float %load, i64 0
  %splat = shufflevector <16 x float> %lane, <16 x float> poison, <16 x i32> zeroinitializer
  %acc = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat, <16 x float> %load.4, <16 x float> %carried)
  %acc.1 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat, <16 x float> %load.5, <16 x float> %carried.1)
  %acc.2 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat, <16 x float> %load.6, <16 x float> %carried.2)
  %lane.1 = insertelement <16 x float> poison, float %load.1, i64 0
  %splat.1 = shufflevector <16 x float> %lane.1, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.3 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.1, <16 x float> %load.4, <16 x float> %carried.3)
  %acc.4 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.1, <16 x float> %load.5, <16 x float> %carried.4)
  %acc.5 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.1, <16 x float> %load.6, <16 x float> %carried.5)
  %lane.2 = insertelement <16 x float> poison, float %load.2, i64 0
  %splat.2 = shufflevector <16 x float> %lane.2, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.6 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.2, <16 x float> %load.4, <16 x float> %carried.6)
  %acc.7 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.2, <16 x float> %load.5, <16 x float> %carried.7)
  %acc.8 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.2, <16 x float> %load.6, <16 x float> %carried.8)
  %lane.3 = insertelement <16 x float> poison, float %load.3, i64 0
  %splat.3 = shufflevector <16 x float> %lane.3, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.9 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.3, <16 x float> %load.4, <16 x float> %carried.9)
  %acc.10 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.3, <16 x float> %load.5, <16 x float> %carried.10)
  %acc.11 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.3, <16 x float> %load.6, <16 x float> %carried.11)
  %at.8 = add i64 %i, 1
  %by.6 = mul i64 %by.1, 32
  %at.9 = add i64 %by.6, %at.8
  %address.13 = getelementptr float, ptr %arg0, i64 %at.9
  %load.7 = load float, ptr %address.13, align 4
  %address.14 = getelementptr float, ptr %address.13, i64 32
  %load.8 = load float, ptr %address.14, align 4
  %address.15 = getelementptr float, ptr %address.13, i64 64
  %load.9 = load float, ptr %address.15, align 4
  %address.16 = getelementptr float, ptr %address.13, i64 96
  %load.10 = load float, ptr %address.16, align 4
  %by.7 = mul i64 %at.8, 48
  %at.10 = add i64 %by.7, %by.2
  %address.17 = getelementptr float, ptr %arg1, i64 %at.10
  %load.11 = load <16 x float>, ptr %address.17, align 16
  %address.18 = getelementptr float, ptr %address.17, i64 16
  %load.12 = load <16 x float>, ptr %address.18, align 16
  %address.19 = getelementptr float, ptr %address.17, i64 32
  %load.13 = load <16 x float>, ptr %address.19, align 16
  %lane.4 = insertelement <16 x float> poison, float %load.7, i64 0
  %splat.4 = shufflevector <16 x float> %lane.4, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.12 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.4, <16 x float> %load.11, <16 x float> %acc)
  %acc.13 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.4, <16 x float> %load.12, <16 x float> %acc.1)
  %acc.14 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.4, <16 x float> %load.13, <16 x float> %acc.2)
  %lane.5 = insertelement <16 x float> poison, float %load.8, i64 0
  %splat.5 = shufflevector <16 x float> %lane.5, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.15 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.5, <16 x float> %load.11, <16 x float> %acc.3)
  %acc.16 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.5, <16 x float> %load.12, <16 x float> %acc.4)
  %acc.17 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.5, <16 x float> %load.13, <16 x float> %acc.5)
  %lane.6 = insertelement <16 x float> poison, float %load.9, i64 0
  %splat.6 = shufflevector <16 x float> %lane.6, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.18 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.6, <16 x float> %load.11, <16 x float> %acc.6)
  %acc.19 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.6, <16 x float> %load.12, <16 x float> %acc.7)
  %acc.20 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.6, <16 x float> %load.13, <16 x float> %acc.8)
  %lane.7 = insertelement <16 x float> poison, float %load.10, i64 0
  %splat.7 = shufflevector <16 x float> %lane.7, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.21 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.7, <16 x float> %load.11, <16 x float> %acc.9)
  %acc.22 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.7, <16 x float> %load.12, <16 x float> %acc.10)
  %acc.23 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.7, <16 x float> %load.13, <16 x float> %acc.11)
  %at.11 = add i64 %i, 2
  %by.8 = mul i64 %by.1, 32
  %at.12 = add i64 %by.8, %at.11
  %address.20 = getelementptr float, ptr %arg0, i64 %at.12
  %load.14 = load float, ptr %address.20, align 4
  %address.21 = getelementptr float, ptr %address.20, i64 32
  %load.15 = load float, ptr %address.21, align 4
  %address.22 = getelementptr float, ptr %address.20, i64 64
  %load.16 = load float, ptr %address.22, align 4
  %address.23 = getelementptr float, ptr %address.20, i64 96
  %load.17 = load float, ptr %address.23, align 4
  %by.9 = mul i64 %at.11, 48
  %at.13 = add i64 %by.9, %by.2
  %address.24 = getelementptr float, ptr %arg1, i64 %at.13
  %load.18 = load <16 x float>, ptr %address.24, align 16
  %address.25 = getelementptr float, ptr %address.24, i64 16
  %load.19 = load <16 x float>, ptr %address.25, align 16
  %address.26 = getelementptr float, ptr %address.24, i64 32
  %load.20 = load <16 x float>, ptr %address.26, align 16
  %lane.8 = insertelement <16 x float> poison, float %load.14, i64 0
  %splat.8 = shufflevector <16 x float> %lane.8, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.24 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.8, <16 x float> %load.18, <16 x float> %acc.12)
  %acc.25 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.8, <16 x float> %load.19, <16 x float> %acc.13)
  %acc.26 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.8, <16 x float> %load.20, <16 x float> %acc.14)
  %lane.9 = insertelement <16 x float> poison, float %load.15, i64 0
  %splat.9 = shufflevector <16 x float> %lane.9, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.27 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.9, <16 x float> %load.18, <16 x float> %acc.15)
  %acc.28 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.9, <16 x float> %load.19, <16 x float> %acc.16)
  %acc.29 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.9, <16 x float> %load.20, <16 x float> %acc.17)
  %lane.10 = insertelement <16 x float> poison, float %load.16, i64 0
  %splat.10 = shufflevector <16 x float> %lane.10, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.30 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.10, <16 x float> %load.18, <16 x float> %acc.18)
  %acc.31 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.10, <16 x float> %load.19, <16 x float> %acc.19)
  %acc.32 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.10, <16 x float> %load.20, <16 x float> %acc.20)
  %lane.11 = insertelement <16 x float> poison, float %load.17, i64 0
  %splat.11 = shufflevector <16 x float> %lane.11, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.33 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.11, <16 x float> %load.18, <16 x float> %acc.21)
  %acc.34 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.11, <16 x float> %load.19, <16 x float> %acc.22)
  %acc.35 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.11, <16 x float> %load.20, <16 x float> %acc.23)
  %at.14 = add i64 %i, 3
  %by.10 = mul i64 %by.1, 32
  %at.15 = add i64 %by.10, %at.14
  %address.27 = getelementptr float, ptr %arg0, i64 %at.15
  %load.21 = load float, ptr %address.27, align 4
  %address.28 = getelementptr float, ptr %address.27, i64 32
  %load.22 = load float, ptr %address.28, align 4
  %address.29 = getelementptr float, ptr %address.27, i64 64
  %load.23 = load float, ptr %address.29, align 4
  %address.30 = getelementptr float, ptr %address.27, i64 96
  %load.24 = load float, ptr %address.30, align 4
  %by.11 = mul i64 %at.14, 48
  %at.16 = add i64 %by.11, %by.2
  %address.31 = getelementptr float, ptr %arg1, i64 %at.16
  %load.25 = load <16 x float>, ptr %address.31, align 16
  %address.32 = getelementptr float, ptr %address.31, i64 16
  %load.26 = load <16 x float>, ptr %address.32, align 16
  %address.33 = getelementptr float, ptr %address.31, i64 32
  %load.27 = load <16 x float>, ptr %address.33, align 16
  %lane.12 = insertelement <16 x float> poison, float %load.21, i64 0
  %splat.12 = shufflevector <16 x float> %lane.12, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.36 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.12, <16 x float> %load.25, <16 x float> %acc.24)
  %acc.37 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.12, <16 x float> %load.26, <16 x float> %acc.25)
  %acc.38 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.12, <16 x float> %load.27, <16 x float> %acc.26)
  %lane.13 = insertelement <16 x float> poison, float %load.22, i64 0
  %splat.13 = shufflevector <16 x float> %lane.13, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.39 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.13, <16 x float> %load.25, <16 x float> %acc.27)
  %acc.40 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.13, <16 x float> %load.26, <16 x float> %acc.28)
  %acc.41 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.13, <16 x float> %load.27, <16 x float> %acc.29)
  %lane.14 = insertelement <16 x float> poison, float %load.23, i64 0
  %splat.14 = shufflevector <16 x float> %lane.14, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.42 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.14, <16 x float> %load.25, <16 x float> %acc.30)
  %acc.43 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.14, <16 x float> %load.26, <16 x float> %acc.31)
  %acc.44 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.14, <16 x float> %load.27, <16 x float> %acc.32)
  %lane.15 = insertelement <16 x float> poison, float %load.24, i64 0
  %splat.15 = shufflevector <16 x float> %lane.15, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.45 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.15, <16 x float> %load.25, <16 x float> %acc.33)
  %acc.46 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.15, <16 x float> %load.26, <16 x float> %acc.34)
  %acc.47 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.15, <16 x float> %load.27, <16 x float> %acc.35)
  %next = add nsw i64 %i, 4
  br label %loop
done:
  %address.34 = getelementptr float, ptr %arg2, i64 %by.2
  %load.28 = load <16 x float>, ptr %address.34, align 16
  %address.35 = getelementptr float, ptr %address.34, i64 16
  %load.29 = load <16 x float>, ptr %address.35, align 16
  %address.36 = getelementptr float, ptr %address.34, i64 32
  %load.30 = load <16 x float>, ptr %address.36, align 16
  %addf = fadd contract <16 x float> %carried, %load.28
  %addf.1 = fadd contract <16 x float> %carried.1, %load.29
  %addf.2 = fadd contract <16 x float> %carried.2, %load.30
  %addf.3 = fadd contract <16 x float> %carried.3, %load.28
  %addf.4 = fadd contract <16 x float> %carried.4, %load.29
  %addf.5 = fadd contract <16 x float> %carried.5, %load.30
  %addf.6 = fadd contract <16 x float> %carried.6, %load.28
  %addf.7 = fadd contract <16 x float> %carried.7, %load.29
  %addf.8 = fadd contract <16 x float> %carried.8, %load.30
  %addf.9 = fadd contract <16 x float> %carried.9, %load.28
  %addf.10 = fadd contract <16 x float> %carried.10, %load.29
  %addf.11 = fadd contract <16 x float> %carried.11, %load.30
  %mulf = fmul contract <16 x float> %addf, splat (float 0x3FE6A09E60000000)
  %mulf.1 = fmul contract <16 x float> %addf.1, splat (float 0x3FE6A09E60000000)
  %mulf.2 = fmul contract <16 x float> %addf.2, splat (float 0x3FE6A09E60000000)
  %mulf.3 = fmul contract <16 x float> %addf.3, splat (float 0x3FE6A09E60000000)
  %mulf.4 = fmul contract <16 x float> %addf.4, splat (float 0x3FE6A09E60000000)
  %mulf.5 = fmul contract <16 x float> %addf.5, splat (float 0x3FE6A09E60000000)
  %mulf.6 = fmul contract <16 x float> %addf.6, splat (float 0x3FE6A09E60000000)
  %mulf.7 = fmul contract <16 x float> %addf.7, splat (float 0x3FE6A09E60000000)
  %mulf.8 = fmul contract <16 x float> %addf.8, splat (float 0x3FE6A09E60000000)
  %mulf.9 = fmul contract <16 x float> %addf.9, splat (float 0x3FE6A09E60000000)
  %mulf.10 = fmul contract <16 x float> %addf.10, splat (float 0x3FE6A09E60000000)
  %mulf.11 = fmul contract <16 x float> %addf.11, splat (float 0x3FE6A09E60000000)
  %erf = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf)
  %erf.1 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.1)
  %erf.2 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.2)
  %erf.3 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.3)
  %erf.4 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.4)
  %erf.5 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.5)
  %erf.6 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.6)
  %erf.7 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.7)
  %erf.8 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.8)
  %erf.9 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.9)
  %erf.10 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.10)
  %erf.11 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.11)
  %mulf.12 = fmul contract <16 x float> %addf, splat (float 0.5)
  %mulf.13 = fmul contract <16 x float> %addf.1, splat (float 0.5)
  %mulf.14 = fmul contract <16 x float> %addf.2, splat (float 0.5)
  %mulf.15 = fmul contract <16 x float> %addf.3, splat (float 0.5)
  %mulf.16 = fmul contract <16 x float> %addf.4, splat (float 0.5)
  %mulf.17 = fmul contract <16 x float> %addf.5, splat (float 0.5)
  %mulf.18 = fmul contract <16 x float> %addf.6, splat (float 0.5)
  %mulf.19 = fmul contract <16 x float> %addf.7, splat (float 0.5)
  %mulf.20 = fmul contract <16 x float> %addf.8, splat (float 0.5)
  %mulf.21 = fmul contract <16 x float> %addf.9, splat (float 0.5)
  %mulf.22 = fmul contract <16 x float> %addf.10, splat (float 0.5)
  %mulf.23 = fmul contract <16 x float> %addf.11, splat (float 0.5)
  %addf.12 = fadd contract <16 x float> %erf, splat (float 1.0)
  %addf.13 = fadd contract <16 x float> %erf.1, splat (float 1.0)
  %addf.14 = fadd contract <16 x float> %erf.2, splat (float 1.0)
  %addf.15 = fadd contract <16 x float> %erf.3, splat (float 1.0)
  %addf.16 = fadd contract <16 x float> %erf.4, splat (float 1.0)
  %addf.17 = fadd contract <16 x float> %erf.5, splat (float 1.0)
  %addf.18 = fadd contract <16 x float> %erf.6, splat (float 1.0)
  %addf.19 = fadd contract <16 x float> %erf.7, splat (float 1.0)
  %addf.20 = fadd contract <16 x float> %erf.8, splat (float 1.0)
  %addf.21 = fadd contract <16 x float> %erf.9, splat (float 1.0)
  %addf.22 = fadd contract <16 x float> %erf.10, splat (float 1.0)
  %addf.23 = fadd contract <16 x float> %erf.11, splat (float 1.0)
  %mulf.24 = fmul contract <16 x float> %mulf.12, %addf.12
  %mulf.25 = fmul contract <16 x float> %mulf.13, %addf.13
  %mulf.26 = fmul contract <16 x float> %mulf.14, %addf.14
  %mulf.27 = fmul contract <16 x float> %mulf.15, %addf.15
  %mulf.28 = fmul contract <16 x float> %mulf.16, %addf.16
  %mulf.29 = fmul contract <16 x float> %mulf.17, %addf.17
  %mulf.30 = fmul contract <16 x float> %mulf.18, %addf.18
  %mulf.31 = fmul contract <16 x float> %mulf.19, %addf.19
  %mulf.32 = fmul contract <16 x float> %mulf.20, %addf.20
  %mulf.33 = fmul contract <16 x float> %mulf.21, %addf.21
  %mulf.34 = fmul contract <16 x float> %mulf.22, %addf.22
  %mulf.35 = fmul contract <16 x float> %mulf.23, %addf.23
  %by.12 = mul i64 %by.1, 48
  %at.17 = add i64 %by.12, %by.2
  %address.37 = getelementptr float, ptr %arg3, i64 %at.17
  store <16 x float> %mulf.24, ptr %address.37, align 16
  %address.38 = getelementptr float, ptr %address.37, i64 16
  store <16 x float> %mulf.25, ptr %address.38, align 16
  %address.39 = getelementptr float, ptr %address.37, i64 32
  store <16 x float> %mulf.26, ptr %address.39, align 16
  %address.40 = getelementptr float, ptr %address.37, i64 48
  store <16 x float> %mulf.27, ptr %address.40, align 16
  %address.41 = getelementptr float, ptr %address.37, i64 64
  store <16 x float> %mulf.28, ptr %address.41, align 16
  %address.42 = getelementptr float, ptr %address.37, i64 80
  store <16 x float> %mulf.29, ptr %address.42, align 16
  %address.43 = getelementptr float, ptr %address.37, i64 96
  store <16 x float> %mulf.30, ptr %address.43, align 16
  %address.44 = getelementptr float, ptr %address.37, i64 112
  store <16 x float> %mulf.31, ptr %address.44, align 16
  %address.45 = getelementptr float, ptr %address.37, i64 128
  store <16 x float> %mulf.32, ptr %address.45, align 16
  %address.46 = getelementptr float, ptr %address.37, i64 144
  store <16 x float> %mulf.33, ptr %address.46, align 16
  %address.47 = getelementptr float, ptr %address.37, i64 160
  store <16 x float> %mulf.34, ptr %address.47, align 16
  %address.48 = getelementptr float, ptr %address.37, i64 176
  store <16 x float> %mulf.35, ptr %address.48, align 16
  ret void
}

define internal void @kernel.run(ptr %arg0, ptr %arg1, ptr %arg2, ptr %arg3, i64 %worker, i64 %workers, ptr %barrier) noinline nounwind {
entry:
  %after = add i64 %worker, 1
  %by = mul i64 2, %worker
  %end = udiv i64 %by, %workers
  %by.1 = mul i64 2, %after
  %end.1 = udiv i64 %by.1, %workers
  br label %loop
loop:
  %item = phi i64 [ %end, %entry ], [ %next, %work ]
  %more = icmp ult i64 %item, %end.1
  br i1 %more, label %work, label %done
work:
  %program = urem i64 %item, 2
  %rest = udiv i64 %item, 2
  call void @kernel.item(ptr %arg0, ptr %arg1, ptr %arg2, ptr %arg3, i64 %program, i64 0, i64 %rest, i64 2, i64 1, i64 1, i64 %workers, ptr %barrier)
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
  %at.2 = getelementptr ptr, ptr %table, i64 3
  %value.3 = load ptr, ptr %at.2
  call void @kernel.run(ptr %value, ptr %value.1, ptr %value.2, ptr %value.3, i64 %worker, i64 %workers, ptr %barrier)
  ret void
}
