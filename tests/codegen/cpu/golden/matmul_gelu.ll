declare <16 x float> @llvm.copysign.v16f32(<16 x float>, <16 x float>)
declare <16 x float> @llvm.fabs.v16f32(<16 x float>)
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
declare void @kw_barrier(ptr, i64)

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
  %by = mul i64 %program.0, 8
  %by.1 = mul i64 %program.1, 48
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %carried = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.72, %body ]
  %carried.1 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.73, %body ]
  %carried.2 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.74, %body ]
  %carried.3 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.75, %body ]
  %carried.4 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.76, %body ]
  %carried.5 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.77, %body ]
  %carried.6 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.78, %body ]
  %carried.7 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.79, %body ]
  %carried.8 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.80, %body ]
  %carried.9 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.81, %body ]
  %carried.10 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.82, %body ]
  %carried.11 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.83, %body ]
  %carried.12 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.84, %body ]
  %carried.13 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.85, %body ]
  %carried.14 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.86, %body ]
  %carried.15 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.87, %body ]
  %carried.16 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.88, %body ]
  %carried.17 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.89, %body ]
  %carried.18 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.90, %body ]
  %carried.19 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.91, %body ]
  %carried.20 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.92, %body ]
  %carried.21 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.93, %body ]
  %carried.22 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.94, %body ]
  %carried.23 = phi <16 x float> [ <float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0, float 0.0>, %entry ], [ %acc.95, %body ]
  %more = icmp slt i64 %i, 32
  br i1 %more, label %body, label %done
body:
  %by.2 = mul i64 %by, 32
  %at = add i64 %by.2, %i
  %address = getelementptr float, ptr %arg0, i64 %at
  %load = load float, ptr %address, align 4
  %address.1 = getelementptr float, ptr %address, i64 32
  %load.1 = load float, ptr %address.1, align 4
  %address.2 = getelementptr float, ptr %address, i64 64
  %load.2 = load float, ptr %address.2, align 4
  %address.3 = getelementptr float, ptr %address, i64 96
  %load.3 = load float, ptr %address.3, align 4
  %address.4 = getelementptr float, ptr %address, i64 128
  %load.4 = load float, ptr %address.4, align 4
  %address.5 = getelementptr float, ptr %address, i64 160
  %load.5 = load float, ptr %address.5, align 4
  %address.6 = getelementptr float, ptr %address, i64 192
  %load.6 = load float, ptr %address.6, align 4
  %address.7 = getelementptr float, ptr %address, i64 224
  %load.7 = load float, ptr %address.7, align 4
  %by.3 = mul i64 %i, 48
  %at.1 = add i64 %by.3, %by.1
  %address.8 = getelementptr float, ptr %arg1, i64 %at.1
  %load.8 = load <16 x float>, ptr %address.8, align 16
  %address.9 = getelementptr float, ptr %address.8, i64 16
  %load.9 = load <16 x float>, ptr %address.9, align 16
  %address.10 = getelementptr float, ptr %address.8, i64 32
  %load.10 = load <16 x float>, ptr %address.10, align 16
  %lane = insertelement <16 x float> poison, float %load, i64 0
  %splat = shufflevector <16 x float> %lane, <16 x float> poison, <16 x i32> zeroinitializer
  %acc = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat, <16 x float> %load.8, <16 x float> %carried)
  %acc.1 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat, <16 x float> %load.9, <16 x float> %carried.1)
  %acc.2 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat, <16 x float> %load.10, <16 x float> %carried.2)
  %lane.1 = insertelement <16 x float> poison, float %load.1, i64 0
  %splat.1 = shufflevector <16 x float> %lane.1, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.3 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.1, <16 x float> %load.8, <16 x float> %carried.3)
  %acc.4 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.1, <16 x float> %load.9, <16 x float> %carried.4)
  %acc.5 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.1, <16 x float> %load.10, <16 x float> %carried.5)
  %lane.2 = insertelement <16 x float> poison, float %load.2, i64 0
  %splat.2 = shufflevector <16 x float> %lane.2, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.6 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.2, <16 x float> %load.8, <16 x float> %carried.6)
  %acc.7 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.2, <16 x float> %load.9, <16 x float> %carried.7)
  %acc.8 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.2, <16 x float> %load.10, <16 x float> %carried.8)
  %lane.3 = insertelement <16 x float> poison, float %load.3, i64 0
  %splat.3 = shufflevector <16 x float> %lane.3, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.9 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.3, <16 x float> %load.8, <16 x float> %carried.9)
  %acc.10 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.3, <16 x float> %load.9, <16 x float> %carried.10)
  %acc.11 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.3, <16 x float> %load.10, <16 x float> %carried.11)
  %lane.4 = insertelement <16 x float> poison, float %load.4, i64 0
  %splat.4 = shufflevector <16 x float> %lane.4, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.12 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.4, <16 x float> %load.8, <16 x float> %carried.12)
  %acc.13 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.4, <16 x float> %load.9, <16 x float> %carried.13)
  %acc.14 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.4, <16 x float> %load.10, <16 x float> %carried.14)
  %lane.5 = insertelement <16 x float> poison, float %load.5, i64 0
  %splat.5 = shufflevector <16 x float> %lane.5, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.15 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.5, <16 x float> %load.8, <16 x float> %carried.15)
  %acc.16 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.5, <16 x float> %load.9, <16 x float> %carried.16)
  %acc.17 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.5, <16 x float> %load.10, <16 x float> %carried.17)
  %lane.6 = insertelement <16 x float> poison, float %load.6, i64 0
  %splat.6 = shufflevector <16 x float> %lane.6, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.18 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.6, <16 x float> %load.8, <16 x float> %carried.18)
  %acc.19 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.6, <16 x float> %load.9, <16 x float> %carried.19)
  %acc.20 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.6, <16 x float> %load.10, <16 x float> %carried.20)
  %lane.7 = insertelement <16 x float> poison, float %load.7, i64 0
  %splat.7 = shufflevector <16 x float> %lane.7, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.21 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.7, <16 x float> %load.8, <16 x float> %carried.21)
  %acc.22 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.7, <16 x float> %load.9, <16 x float> %carried.22)
  %acc.23 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.7, <16 x float> %load.10, <16 x float> %carried.23)
  %at.2 = add i64 %i, 1
  %by.4 = mul i64 %by, 32
  %at.3 = add i64 %by.4, %at.2
  %address.11 = getelementptr float, ptr %arg0, i64 %at.3
  %load.11 = load float, ptr %address.11, align 4
  %address.12 = getelementptr float, ptr %address.11, i64 32
  %load.12 = load float, ptr %address.12, align 4
  %address.13 = getelementptr float, ptr %address.11, i64 64
  %load.13 = load float, ptr %address.13, align 4
  %address.14 = getelementptr float, ptr %address.11, i64 96
  %load.14 = load float, ptr %address.14, align 4
  %address.15 = getelementptr float, ptr %address.11, i64 128
  %load.15 = load float, ptr %address.15, align 4
  %address.16 = getelementptr float, ptr %address.11, i64 160
  %load.16 = load float, ptr %address.16, align 4
  %address.17 = getelementptr float, ptr %address.11, i64 192
  %load.17 = load float, ptr %address.17, align 4
  %address.18 = getelementptr float, ptr %address.11, i64 224
  %load.18 = load float, ptr %address.18, align 4
  %by.5 = mul i64 %at.2, 48
  %at.4 = add i64 %by.5, %by.1
  %address.19 = getelementptr float, ptr %arg1, i64 %at.4
  %load.19 = load <16 x float>, ptr %address.19, align 16
  %address.20 = getelementptr float, ptr %address.19, i64 16
  %load.20 = load <16 x float>, ptr %address.20, align 16
  %address.21 = getelementptr float, ptr %address.19, i64 32
  %load.21 = load <16 x float>, ptr %address.21, align 16
  %lane.8 = insertelement <16 x float> poison, float %load.11, i64 0
  %splat.8 = shufflevector <16 x float> %lane.8, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.24 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.8, <16 x float> %load.19, <16 x float> %acc)
  %acc.25 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.8, <16 x float> %load.20, <16 x float> %acc.1)
  %acc.26 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.8, <16 x float> %load.21, <16 x float> %acc.2)
  %lane.9 = insertelement <16 x float> poison, float %load.12, i64 0
  %splat.9 = shufflevector <16 x float> %lane.9, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.27 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.9, <16 x float> %load.19, <16 x float> %acc.3)
  %acc.28 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.9, <16 x float> %load.20, <16 x float> %acc.4)
  %acc.29 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.9, <16 x float> %load.21, <16 x float> %acc.5)
  %lane.10 = insertelement <16 x float> poison, float %load.13, i64 0
  %splat.10 = shufflevector <16 x float> %lane.10, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.30 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.10, <16 x float> %load.19, <16 x float> %acc.6)
  %acc.31 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.10, <16 x float> %load.20, <16 x float> %acc.7)
  %acc.32 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.10, <16 x float> %load.21, <16 x float> %acc.8)
  %lane.11 = insertelement <16 x float> poison, float %load.14, i64 0
  %splat.11 = shufflevector <16 x float> %lane.11, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.33 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.11, <16 x float> %load.19, <16 x float> %acc.9)
  %acc.34 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.11, <16 x float> %load.20, <16 x float> %acc.10)
  %acc.35 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.11, <16 x float> %load.21, <16 x float> %acc.11)
  %lane.12 = insertelement <16 x float> poison, float %load.15, i64 0
  %splat.12 = shufflevector <16 x float> %lane.12, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.36 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.12, <16 x float> %load.19, <16 x float> %acc.12)
  %acc.37 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.12, <16 x float> %load.20, <16 x float> %acc.13)
  %acc.38 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.12, <16 x float> %load.21, <16 x float> %acc.14)
  %lane.13 = insertelement <16 x float> poison, float %load.16, i64 0
  %splat.13 = shufflevector <16 x float> %lane.13, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.39 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.13, <16 x float> %load.19, <16 x float> %acc.15)
  %acc.40 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.13, <16 x float> %load.20, <16 x float> %acc.16)
  %acc.41 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.13, <16 x float> %load.21, <16 x float> %acc.17)
  %lane.14 = insertelement <16 x float> poison, float %load.17, i64 0
  %splat.14 = shufflevector <16 x float> %lane.14, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.42 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.14, <16 x float> %load.19, <16 x float> %acc.18)
  %acc.43 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.14, <16 x float> %load.20, <16 x float> %acc.19)
  %acc.44 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.14, <16 x float> %load.21, <16 x float> %acc.20)
  %lane.15 = insertelement <16 x float> poison, float %load.18, i64 0
  %splat.15 = shufflevector <16 x float> %lane.15, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.45 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.15, <16 x float> %load.19, <16 x float> %acc.21)
  %acc.46 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.15, <16 x float> %load.20, <16 x float> %acc.22)
  %acc.47 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.15, <16 x float> %load.21, <16 x float> %acc.23)
  %at.5 = add i64 %i, 2
  %by.6 = mul i64 %by, 32
  %at.6 = add i64 %by.6, %at.5
  %address.22 = getelementptr float, ptr %arg0, i64 %at.6
  %load.22 = load float, ptr %address.22, align 4
  %address.23 = getelementptr float, ptr %address.22, i64 32
  %load.23 = load float, ptr %address.23, align 4
  %address.24 = getelementptr float, ptr %address.22, i64 64
  %load.24 = load float, ptr %address.24, align 4
  %address.25 = getelementptr float, ptr %address.22, i64 96
  %load.25 = load float, ptr %address.25, align 4
  %address.26 = getelementptr float, ptr %address.22, i64 128
  %load.26 = load float, ptr %address.26, align 4
  %address.27 = getelementptr float, ptr %address.22, i64 160
  %load.27 = load float, ptr %address.27, align 4
  %address.28 = getelementptr float, ptr %address.22, i64 192
  %load.28 = load float, ptr %address.28, align 4
  %address.29 = getelementptr float, ptr %address.22, i64 224
  %load.29 = load float, ptr %address.29, align 4
  %by.7 = mul i64 %at.5, 48
  %at.7 = add i64 %by.7, %by.1
  %address.30 = getelementptr float, ptr %arg1, i64 %at.7
  %load.30 = load <16 x float>, ptr %address.30, align 16
  %address.31 = getelementptr float, ptr %address.30, i64 16
  %load.31 = load <16 x float>, ptr %address.31, align 16
  %address.32 = getelementptr float, ptr %address.30, i64 32
  %load.32 = load <16 x float>, ptr %address.32, align 16
  %lane.16 = insertelement <16 x float> poison, float %load.22, i64 0
  %splat.16 = shufflevector <16 x float> %lane.16, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.48 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.16, <16 x float> %load.30, <16 x float> %acc.24)
  %acc.49 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.16, <16 x float> %load.31, <16 x float> %acc.25)
  %acc.50 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.16, <16 x float> %load.32, <16 x float> %acc.26)
  %lane.17 = insertelement <16 x float> poison, float %load.23, i64 0
  %splat.17 = shufflevector <16 x float> %lane.17, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.51 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.17, <16 x float> %load.30, <16 x float> %acc.27)
  %acc.52 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.17, <16 x float> %load.31, <16 x float> %acc.28)
  %acc.53 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.17, <16 x float> %load.32, <16 x float> %acc.29)
  %lane.18 = insertelement <16 x float> poison, float %load.24, i64 0
  %splat.18 = shufflevector <16 x float> %lane.18, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.54 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.18, <16 x float> %load.30, <16 x float> %acc.30)
  %acc.55 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.18, <16 x float> %load.31, <16 x float> %acc.31)
  %acc.56 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.18, <16 x float> %load.32, <16 x float> %acc.32)
  %lane.19 = insertelement <16 x float> poison, float %load.25, i64 0
  %splat.19 = shufflevector <16 x float> %lane.19, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.57 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.19, <16 x float> %load.30, <16 x float> %acc.33)
  %acc.58 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.19, <16 x float> %load.31, <16 x float> %acc.34)
  %acc.59 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.19, <16 x float> %load.32, <16 x float> %acc.35)
  %lane.20 = insertelement <16 x float> poison, float %load.26, i64 0
  %splat.20 = shufflevector <16 x float> %lane.20, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.60 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.20, <16 x float> %load.30, <16 x float> %acc.36)
  %acc.61 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.20, <16 x float> %load.31, <16 x float> %acc.37)
  %acc.62 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.20, <16 x float> %load.32, <16 x float> %acc.38)
  %lane.21 = insertelement <16 x float> poison, float %load.27, i64 0
  %splat.21 = shufflevector <16 x float> %lane.21, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.63 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.21, <16 x float> %load.30, <16 x float> %acc.39)
  %acc.64 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.21, <16 x float> %load.31, <16 x float> %acc.40)
  %acc.65 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.21, <16 x float> %load.32, <16 x float> %acc.41)
  %lane.22 = insertelement <16 x float> poison, float %load.28, i64 0
  %splat.22 = shufflevector <16 x float> %lane.22, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.66 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.22, <16 x float> %load.30, <16 x float> %acc.42)
  %acc.67 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.22, <16 x float> %load.31, <16 x float> %acc.43)
  %acc.68 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.22, <16 x float> %load.32, <16 x float> %acc.44)
  %lane.23 = insertelement <16 x float> poison, float %load.29, i64 0
  %splat.23 = shufflevector <16 x float> %lane.23, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.69 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.23, <16 x float> %load.30, <16 x float> %acc.45)
  %acc.70 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.23, <16 x float> %load.31, <16 x float> %acc.46)
  %acc.71 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.23, <16 x float> %load.32, <16 x float> %acc.47)
  %at.8 = add i64 %i, 3
  %by.8 = mul i64 %by, 32
  %at.9 = add i64 %by.8, %at.8
  %address.33 = getelementptr float, ptr %arg0, i64 %at.9
  %load.33 = load float, ptr %address.33, align 4
  %address.34 = getelementptr float, ptr %address.33, i64 32
  %load.34 = load float, ptr %address.34, align 4
  %address.35 = getelementptr float, ptr %address.33, i64 64
  %load.35 = load float, ptr %address.35, align 4
  %address.36 = getelementptr float, ptr %address.33, i64 96
  %load.36 = load float, ptr %address.36, align 4
  %address.37 = getelementptr float, ptr %address.33, i64 128
  %load.37 = load float, ptr %address.37, align 4
  %address.38 = getelementptr float, ptr %address.33, i64 160
  %load.38 = load float, ptr %address.38, align 4
  %address.39 = getelementptr float, ptr %address.33, i64 192
  %load.39 = load float, ptr %address.39, align 4
  %address.40 = getelementptr float, ptr %address.33, i64 224
  %load.40 = load float, ptr %address.40, align 4
  %by.9 = mul i64 %at.8, 48
  %at.10 = add i64 %by.9, %by.1
  %address.41 = getelementptr float, ptr %arg1, i64 %at.10
  %load.41 = load <16 x float>, ptr %address.41, align 16
  %address.42 = getelementptr float, ptr %address.41, i64 16
  %load.42 = load <16 x float>, ptr %address.42, align 16
  %address.43 = getelementptr float, ptr %address.41, i64 32
  %load.43 = load <16 x float>, ptr %address.43, align 16
  %lane.24 = insertelement <16 x float> poison, float %load.33, i64 0
  %splat.24 = shufflevector <16 x float> %lane.24, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.72 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.24, <16 x float> %load.41, <16 x float> %acc.48)
  %acc.73 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.24, <16 x float> %load.42, <16 x float> %acc.49)
  %acc.74 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.24, <16 x float> %load.43, <16 x float> %acc.50)
  %lane.25 = insertelement <16 x float> poison, float %load.34, i64 0
  %splat.25 = shufflevector <16 x float> %lane.25, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.75 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.25, <16 x float> %load.41, <16 x float> %acc.51)
  %acc.76 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.25, <16 x float> %load.42, <16 x float> %acc.52)
  %acc.77 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.25, <16 x float> %load.43, <16 x float> %acc.53)
  %lane.26 = insertelement <16 x float> poison, float %load.35, i64 0
  %splat.26 = shufflevector <16 x float> %lane.26, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.78 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.26, <16 x float> %load.41, <16 x float> %acc.54)
  %acc.79 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.26, <16 x float> %load.42, <16 x float> %acc.55)
  %acc.80 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.26, <16 x float> %load.43, <16 x float> %acc.56)
  %lane.27 = insertelement <16 x float> poison, float %load.36, i64 0
  %splat.27 = shufflevector <16 x float> %lane.27, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.81 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.27, <16 x float> %load.41, <16 x float> %acc.57)
  %acc.82 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.27, <16 x float> %load.42, <16 x float> %acc.58)
  %acc.83 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.27, <16 x float> %load.43, <16 x float> %acc.59)
  %lane.28 = insertelement <16 x float> poison, float %load.37, i64 0
  %splat.28 = shufflevector <16 x float> %lane.28, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.84 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.28, <16 x float> %load.41, <16 x float> %acc.60)
  %acc.85 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.28, <16 x float> %load.42, <16 x float> %acc.61)
  %acc.86 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.28, <16 x float> %load.43, <16 x float> %acc.62)
  %lane.29 = insertelement <16 x float> poison, float %load.38, i64 0
  %splat.29 = shufflevector <16 x float> %lane.29, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.87 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.29, <16 x float> %load.41, <16 x float> %acc.63)
  %acc.88 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.29, <16 x float> %load.42, <16 x float> %acc.64)
  %acc.89 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.29, <16 x float> %load.43, <16 x float> %acc.65)
  %lane.30 = insertelement <16 x float> poison, float %load.39, i64 0
  %splat.30 = shufflevector <16 x float> %lane.30, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.90 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.30, <16 x float> %load.41, <16 x float> %acc.66)
  %acc.91 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.30, <16 x float> %load.42, <16 x float> %acc.67)
  %acc.92 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.30, <16 x float> %load.43, <16 x float> %acc.68)
  %lane.31 = insertelement <16 x float> poison, float %load.40, i64 0
  %splat.31 = shufflevector <16 x float> %lane.31, <16 x float> poison, <16 x i32> zeroinitializer
  %acc.93 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.31, <16 x float> %load.41, <16 x float> %acc.69)
  %acc.94 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.31, <16 x float> %load.42, <16 x float> %acc.70)
  %acc.95 = call <16 x float> @llvm.fma.v16f32(<16 x float> %splat.31, <16 x float> %load.43, <16 x float> %acc.71)
  %next = add nsw i64 %i, 4
  br label %loop
done:
  %address.44 = getelementptr float, ptr %arg2, i64 %by.1
  %load.44 = load <16 x float>, ptr %address.44, align 16
  %address.45 = getelementptr float, ptr %address.44, i64 16
  %load.45 = load <16 x float>, ptr %address.45, align 16
  %address.46 = getelementptr float, ptr %address.44, i64 32
  %load.46 = load <16 x float>, ptr %address.46, align 16
  %addf = fadd contract <16 x float> %carried, %load.44
  %addf.1 = fadd contract <16 x float> %carried.1, %load.45
  %addf.2 = fadd contract <16 x float> %carried.2, %load.46
  %addf.3 = fadd contract <16 x float> %carried.3, %load.44
  %addf.4 = fadd contract <16 x float> %carried.4, %load.45
  %addf.5 = fadd contract <16 x float> %carried.5, %load.46
  %addf.6 = fadd contract <16 x float> %carried.6, %load.44
  %addf.7 = fadd contract <16 x float> %carried.7, %load.45
  %addf.8 = fadd contract <16 x float> %carried.8, %load.46
  %addf.9 = fadd contract <16 x float> %carried.9, %load.44
  %addf.10 = fadd contract <16 x float> %carried.10, %load.45
  %addf.11 = fadd contract <16 x float> %carried.11, %load.46
  %addf.12 = fadd contract <16 x float> %carried.12, %load.44
  %addf.13 = fadd contract <16 x float> %carried.13, %load.45
  %addf.14 = fadd contract <16 x float> %carried.14, %load.46
  %addf.15 = fadd contract <16 x float> %carried.15, %load.44
  %addf.16 = fadd contract <16 x float> %carried.16, %load.45
  %addf.17 = fadd contract <16 x float> %carried.17, %load.46
  %addf.18 = fadd contract <16 x float> %carried.18, %load.44
  %addf.19 = fadd contract <16 x float> %carried.19, %load.45
  %addf.20 = fadd contract <16 x float> %carried.20, %load.46
  %addf.21 = fadd contract <16 x float> %carried.21, %load.44
  %addf.22 = fadd contract <16 x float> %carried.22, %load.45
  %addf.23 = fadd contract <16 x float> %carried.23, %load.46
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
  %mulf.12 = fmul contract <16 x float> %addf.12, splat (float 0x3FE6A09E60000000)
  %mulf.13 = fmul contract <16 x float> %addf.13, splat (float 0x3FE6A09E60000000)
  %mulf.14 = fmul contract <16 x float> %addf.14, splat (float 0x3FE6A09E60000000)
  %mulf.15 = fmul contract <16 x float> %addf.15, splat (float 0x3FE6A09E60000000)
  %mulf.16 = fmul contract <16 x float> %addf.16, splat (float 0x3FE6A09E60000000)
  %mulf.17 = fmul contract <16 x float> %addf.17, splat (float 0x3FE6A09E60000000)
  %mulf.18 = fmul contract <16 x float> %addf.18, splat (float 0x3FE6A09E60000000)
  %mulf.19 = fmul contract <16 x float> %addf.19, splat (float 0x3FE6A09E60000000)
  %mulf.20 = fmul contract <16 x float> %addf.20, splat (float 0x3FE6A09E60000000)
  %mulf.21 = fmul contract <16 x float> %addf.21, splat (float 0x3FE6A09E60000000)
  %mulf.22 = fmul contract <16 x float> %addf.22, splat (float 0x3FE6A09E60000000)
  %mulf.23 = fmul contract <16 x float> %addf.23, splat (float 0x3FE6A09E60000000)
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
  %erf.12 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.12)
  %erf.13 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.13)
  %erf.14 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.14)
  %erf.15 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.15)
  %erf.16 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.16)
  %erf.17 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.17)
  %erf.18 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.18)
  %erf.19 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.19)
  %erf.20 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.20)
  %erf.21 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.21)
  %erf.22 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.22)
  %erf.23 = call <16 x float> @kw.erf.v16f32(<16 x float> %mulf.23)
  %mulf.24 = fmul contract <16 x float> %addf, splat (float 0.5)
  %mulf.25 = fmul contract <16 x float> %addf.1, splat (float 0.5)
  %mulf.26 = fmul contract <16 x float> %addf.2, splat (float 0.5)
  %mulf.27 = fmul contract <16 x float> %addf.3, splat (float 0.5)
  %mulf.28 = fmul contract <16 x float> %addf.4, splat (float 0.5)
  %mulf.29 = fmul contract <16 x float> %addf.5, splat (float 0.5)
  %mulf.30 = fmul contract <16 x float> %addf.6, splat (float 0.5)
  %mulf.31 = fmul contract <16 x float> %addf.7, splat (float 0.5)
  %mulf.32 = fmul contract <16 x float> %addf.8, splat (float 0.5)
  %mulf.33 = fmul contract <16 x float> %addf.9, splat (float 0.5)
  %mulf.34 = fmul contract <16 x float> %addf.10, splat (float 0.5)
  %mulf.35 = fmul contract <16 x float> %addf.11, splat (float 0.5)
  %mulf.36 = fmul contract <16 x float> %addf.12, splat (float 0.5)
  %mulf.37 = fmul contract <16 x float> %addf.13, splat (float 0.5)
  %mulf.38 = fmul contract <16 x float> %addf.14, splat (float 0.5)
  %mulf.39 = fmul contract <16 x float> %addf.15, splat (float 0.5)
  %mulf.40 = fmul contract <16 x float> %addf.16, splat (float 0.5)
  %mulf.41 = fmul contract <16 x float> %addf.17, splat (float 0.5)
  %mulf.42 = fmul contract <16 x float> %addf.18, splat (float 0.5)
  %mulf.43 = fmul contract <16 x float> %addf.19, splat (float 0.5)
  %mulf.44 = fmul contract <16 x float> %addf.20, splat (float 0.5)
  %mulf.45 = fmul contract <16 x float> %addf.21, splat (float 0.5)
  %mulf.46 = fmul contract <16 x float> %addf.22, splat (float 0.5)
  %mulf.47 = fmul contract <16 x float> %addf.23, splat (float 0.5)
  %addf.24 = fadd contract <16 x float> %erf, splat (float 1.0)
  %addf.25 = fadd contract <16 x float> %erf.1, splat (float 1.0)
  %addf.26 = fadd contract <16 x float> %erf.2, splat (float 1.0)
  %addf.27 = fadd contract <16 x float> %erf.3, splat (float 1.0)
  %addf.28 = fadd contract <16 x float> %erf.4, splat (float 1.0)
  %addf.29 = fadd contract <16 x float> %erf.5, splat (float 1.0)
  %addf.30 = fadd contract <16 x float> %erf.6, splat (float 1.0)
  %addf.31 = fadd contract <16 x float> %erf.7, splat (float 1.0)
  %addf.32 = fadd contract <16 x float> %erf.8, splat (float 1.0)
  %addf.33 = fadd contract <16 x float> %erf.9, splat (float 1.0)
  %addf.34 = fadd contract <16 x float> %erf.10, splat (float 1.0)
  %addf.35 = fadd contract <16 x float> %erf.11, splat (float 1.0)
  %addf.36 = fadd contract <16 x float> %erf.12, splat (float 1.0)
  %addf.37 = fadd contract <16 x float> %erf.13, splat (float 1.0)
  %addf.38 = fadd contract <16 x float> %erf.14, splat (float 1.0)
  %addf.39 = fadd contract <16 x float> %erf.15, splat (float 1.0)
  %addf.40 = fadd contract <16 x float> %erf.16, splat (float 1.0)
  %addf.41 = fadd contract <16 x float> %erf.17, splat (float 1.0)
  %addf.42 = fadd contract <16 x float> %erf.18, splat (float 1.0)
  %addf.43 = fadd contract <16 x float> %erf.19, splat (float 1.0)
  %addf.44 = fadd contract <16 x float> %erf.20, splat (float 1.0)
  %addf.45 = fadd contract <16 x float> %erf.21, splat (float 1.0)
  %addf.46 = fadd contract <16 x float> %erf.22, splat (float 1.0)
  %addf.47 = fadd contract <16 x float> %erf.23, splat (float 1.0)
  %mulf.48 = fmul contract <16 x float> %mulf.24, %addf.24
  %mulf.49 = fmul contract <16 x float> %mulf.25, %addf.25
  %mulf.50 = fmul contract <16 x float> %mulf.26, %addf.26
  %mulf.51 = fmul contract <16 x float> %mulf.27, %addf.27
  %mulf.52 = fmul contract <16 x float> %mulf.28, %addf.28
  %mulf.53 = fmul contract <16 x float> %mulf.29, %addf.29
  %mulf.54 = fmul contract <16 x float> %mulf.30, %addf.30
  %mulf.55 = fmul contract <16 x float> %mulf.31, %addf.31
  %mulf.56 = fmul contract <16 x float> %mulf.32, %addf.32
  %mulf.57 = fmul contract <16 x float> %mulf.33, %addf.33
  %mulf.58 = fmul contract <16 x float> %mulf.34, %addf.34
  %mulf.59 = fmul contract <16 x float> %mulf.35, %addf.35
  %mulf.60 = fmul contract <16 x float> %mulf.36, %addf.36
  %mulf.61 = fmul contract <16 x float> %mulf.37, %addf.37
  %mulf.62 = fmul contract <16 x float> %mulf.38, %addf.38
  %mulf.63 = fmul contract <16 x float> %mulf.39, %addf.39
  %mulf.64 = fmul contract <16 x float> %mulf.40, %addf.40
  %mulf.65 = fmul contract <16 x float> %mulf.41, %addf.41
  %mulf.66 = fmul contract <16 x float> %mulf.42, %addf.42
  %mulf.67 = fmul contract <16 x float> %mulf.43, %addf.43
  %mulf.68 = fmul contract <16 x float> %mulf.44, %addf.44
  %mulf.69 = fmul contract <16 x float> %mulf.45, %addf.45
  %mulf.70 = fmul contract <16 x float> %mulf.46, %addf.46
  %mulf.71 = fmul contract <16 x float> %mulf.47, %addf.47
  %by.10 = mul i64 %by, 48
  %at.11 = add i64 %by.10, %by.1
  %address.47 = getelementptr float, ptr %arg3, i64 %at.11
  store <16 x float> %mulf.48, ptr %address.47, align 16
  %address.48 = getelementptr float, ptr %address.47, i64 16
  store <16 x float> %mulf.49, ptr %address.48, align 16
  %address.49 = getelementptr float, ptr %address.47, i64 32
  store <16 x float> %mulf.50, ptr %address.49, align 16
  %address.50 = getelementptr float, ptr %address.47, i64 48
  store <16 x float> %mulf.51, ptr %address.50, align 16
  %address.51 = getelementptr float, ptr %address.47, i64 64
  store <16 x float> %mulf.52, ptr %address.51, align 16
  %address.52 = getelementptr float, ptr %address.47, i64 80
  store <16 x float> %mulf.53, ptr %address.52, align 16
  %address.53 = getelementptr float, ptr %address.47, i64 96
  store <16 x float> %mulf.54, ptr %address.53, align 16
  %address.54 = getelementptr float, ptr %address.47, i64 112
  store <16 x float> %mulf.55, ptr %address.54, align 16
  %address.55 = getelementptr float, ptr %address.47, i64 128
  store <16 x float> %mulf.56, ptr %address.55, align 16
  %address.56 = getelementptr float, ptr %address.47, i64 144
  store <16 x float> %mulf.57, ptr %address.56, align 16
  %address.57 = getelementptr float, ptr %address.47, i64 160
  store <16 x float> %mulf.58, ptr %address.57, align 16
  %address.58 = getelementptr float, ptr %address.47, i64 176
  store <16 x float> %mulf.59, ptr %address.58, align 16
  %address.59 = getelementptr float, ptr %address.47, i64 192
  store <16 x float> %mulf.60, ptr %address.59, align 16
  %address.60 = getelementptr float, ptr %address.47, i64 208
  store <16 x float> %mulf.61, ptr %address.60, align 16
  %address.61 = getelementptr float, ptr %address.47, i64 224
  store <16 x float> %mulf.62, ptr %address.61, align 16
  %address.62 = getelementptr float, ptr %address.47, i64 240
  store <16 x float> %mulf.63, ptr %address.62, align 16
  %address.63 = getelementptr float, ptr %address.47, i64 256
  store <16 x float> %mulf.64, ptr %address.63, align 16
  %address.64 = getelementptr float, ptr %address.47, i64 272
  store <16 x float> %mulf.65, ptr %address.64, align 16
  %address.65 = getelementptr float, ptr %address.47, i64 288
  store <16 x float> %mulf.66, ptr %address.65, align 16
  %address.66 = getelementptr float, ptr %address.47, i64 304
  store <16 x float> %mulf.67, ptr %address.66, align 16
  %address.67 = getelementptr float, ptr %address.47, i64 320
  store <16 x float> %mulf.68, ptr %address.67, align 16
  %address.68 = getelementptr float, ptr %address.47, i64 336
  store <16 x float> %mulf.69, ptr %address.68, align 16
  %address.69 = getelementptr float, ptr %address.47, i64 352
  store <16 x float> %mulf.70, ptr %address.69, align 16
  %address.70 = getelementptr float, ptr %address.47, i64 368
  store <16 x float> %mulf.71, ptr %address.70, align 16
  ret void
}

define internal void @kernel.run(ptr %arg0, ptr %arg1, ptr %arg2, ptr %arg3, i64 %worker, i64 %workers, ptr %barrier) nounwind {
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
  call void @kernel.item(ptr %arg0, ptr %arg1, ptr %arg2, ptr %arg3, i64 0, i64 0, i64 %item, i64 1, i64 1, i64 1, i64 %workers, ptr %barrier)
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
