declare <16 x float> @llvm.masked.load.v16f32.p0(ptr, i32, <16 x i1>, <16 x float>)
declare void @kw_barrier(ptr, i64)
declare void @llvm.masked.store.v8f32.p0(<8 x float>, ptr, i32, <8 x i1>)

; kernel
define internal void @kernel.item(ptr %arg0, ptr %arg1, i64 %program.0, i64 %grid.0, i64 %workers, ptr %barrier) nounwind {
entry:
  %by = mul i64 %program.0, 16
  %address = getelementptr float, ptr %arg0, i64 %by
  %inside = icmp ult i64 0, 6
  %bound = select i1 %inside, i64 20, i64 0
  %lane = insertelement <16 x i64> poison, i64 %by, i64 0
  %splat = shufflevector <16 x i64> %lane, <16 x i64> poison, <16 x i32> zeroinitializer
  %indices = add <16 x i64> %splat, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15>
  %lane.1 = insertelement <16 x i64> poison, i64 %bound, i64 0
  %splat.1 = shufflevector <16 x i64> %lane.1, <16 x i64> poison, <16 x i32> zeroinitializer
  %inside.1 = icmp ult <16 x i64> %indices, %splat.1
  %load = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %address, i32 16, <16 x i1> %inside.1, <16 x float> splat (float 0.0))
  %inside.2 = icmp ult i64 1, 6
  %bound.1 = select i1 %inside.2, i64 20, i64 0
  %lane.2 = insertelement <16 x i64> poison, i64 %by, i64 0
  %splat.2 = shufflevector <16 x i64> %lane.2, <16 x i64> poison, <16 x i32> zeroinitializer
  %indices.1 = add <16 x i64> %splat.2, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15>
  %lane.3 = insertelement <16 x i64> poison, i64 %bound.1, i64 0
  %splat.3 = shufflevector <16 x i64> %lane.3, <16 x i64> poison, <16 x i32> zeroinitializer
  %inside.3 = icmp ult <16 x i64> %indices.1, %splat.3
  %address.1 = getelementptr float, ptr %address, i64 20
  %load.1 = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %address.1, i32 16, <16 x i1> %inside.3, <16 x float> splat (float 0.0))
  %inside.4 = icmp ult i64 2, 6
  %bound.2 = select i1 %inside.4, i64 20, i64 0
  %lane.4 = insertelement <16 x i64> poison, i64 %by, i64 0
  %splat.4 = shufflevector <16 x i64> %lane.4, <16 x i64> poison, <16 x i32> zeroinitializer
  %indices.2 = add <16 x i64> %splat.4, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15>
  %lane.5 = insertelement <16 x i64> poison, i64 %bound.2, i64 0
  %splat.5 = shufflevector <16 x i64> %lane.5, <16 x i64> poison, <16 x i32> zeroinitializer
  %inside.5 = icmp ult <16 x i64> %indices.2, %splat.5
  %address.2 = getelementptr float, ptr %address, i64 40
  %load.2 = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %address.2, i32 16, <16 x i1> %inside.5, <16 x float> splat (float 0.0))
  %inside.6 = icmp ult i64 3, 6
  %bound.3 = select i1 %inside.6, i64 20, i64 0
  %lane.6 = insertelement <16 x i64> poison, i64 %by, i64 0
  %splat.6 = shufflevector <16 x i64> %lane.6, <16 x i64> poison, <16 x i32> zeroinitializer
  %indices.3 = add <16 x i64> %splat.6, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15>
  %lane.7 = insertelement <16 x i64> poison, i64 %bound.3, i64 0
  %splat.7 = shufflevector <16 x i64> %lane.7, <16 x i64> poison, <16 x i32> zeroinitializer
  %inside.7 = icmp ult <16 x i64> %indices.3, %splat.7
  %address.3 = getelementptr float, ptr %address, i64 60
  %load.3 = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %address.3, i32 16, <16 x i1> %inside.7, <16 x float> splat (float 0.0))
  %inside.8 = icmp ult i64 4, 6
  %bound.4 = select i1 %inside.8, i64 20, i64 0
  %lane.8 = insertelement <16 x i64> poison, i64 %by, i64 0
  %splat.8 = shufflevector <16 x i64> %lane.8, <16 x i64> poison, <16 x i32> zeroinitializer
  %indices.4 = add <16 x i64> %splat.8, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15>
  %lane.9 = insertelement <16 x i64> poison, i64 %bound.4, i64 0
  %splat.9 = shufflevector <16 x i64> %lane.9, <16 x i64> poison, <16 x i32> zeroinitializer
  %inside.9 = icmp ult <16 x i64> %indices.4, %splat.9
  %address.4 = getelementptr float, ptr %address, i64 80
  %load.4 = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %address.4, i32 16, <16 x i1> %inside.9, <16 x float> splat (float 0.0))
  %inside.10 = icmp ult i64 5, 6
  %bound.5 = select i1 %inside.10, i64 20, i64 0
  %lane.10 = insertelement <16 x i64> poison, i64 %by, i64 0
  %splat.10 = shufflevector <16 x i64> %lane.10, <16 x i64> poison, <16 x i32> zeroinitializer
  %indices.5 = add <16 x i64> %splat.10, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15>
  %lane.11 = insertelement <16 x i64> poison, i64 %bound.5, i64 0
  %splat.11 = shufflevector <16 x i64> %lane.11, <16 x i64> poison, <16 x i32> zeroinitializer
  %inside.11 = icmp ult <16 x i64> %indices.5, %splat.11
  %address.5 = getelementptr float, ptr %address, i64 100
  %load.5 = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %address.5, i32 16, <16 x i1> %inside.11, <16 x float> splat (float 0.0))
  %inside.12 = icmp ult i64 6, 6
  %bound.6 = select i1 %inside.12, i64 20, i64 0
  %lane.12 = insertelement <16 x i64> poison, i64 %by, i64 0
  %splat.12 = shufflevector <16 x i64> %lane.12, <16 x i64> poison, <16 x i32> zeroinitializer
  %indices.6 = add <16 x i64> %splat.12, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15>
  %lane.13 = insertelement <16 x i64> poison, i64 %bound.6, i64 0
  %splat.13 = shufflevector <16 x i64> %lane.13, <16 x i64> poison, <16 x i32> zeroinitializer
  %inside.13 = icmp ult <16 x i64> %indices.6, %splat.13
  %address.6 = getelementptr float, ptr %address, i64 120
  %load.6 = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %address.6, i32 16, <16 x i1> %inside.13, <16 x float> splat (float 0.0))
  %inside.14 = icmp ult i64 7, 6
  %bound.7 = select i1 %inside.14, i64 20, i64 0
  %lane.14 = insertelement <16 x i64> poison, i64 %by, i64 0
  %splat.14 = shufflevector <16 x i64> %lane.14, <16 x i64> poison, <16 x i32> zeroinitializer
  %indices.7 = add <16 x i64> %splat.14, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12, i64 13, i64 14, i64 15>
  %lane.15 = insertelement <16 x i64> poison, i64 %bound.7, i64 0
  %splat.15 = shufflevector <16 x i64> %lane.15, <16 x i64> poison, <16 x i32> zeroinitializer
  %inside.15 = icmp ult <16 x i64> %indices.7, %splat.15
  %address.7 = getelementptr float, ptr %address, i64 140
  %load.7 = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %address.7, i32 16, <16 x i1> %inside.15, <16 x float> splat (float 0.0))
  %low = shufflevector <16 x float> %load, <16 x float> %load.1, <16 x i32> <i32 0, i32 16, i32 2, i32 18, i32 4, i32 20, i32 6, i32 22, i32 8, i32 24, i32 10, i32 26, i32 12, i32 28, i32 14, i32 30>
  %high = shufflevector <16 x float> %load, <16 x float> %load.1, <16 x i32> <i32 1, i32 17, i32 3, i32 19, i32 5, i32 21, i32 7, i32 23, i32 9, i32 25, i32 11, i32 27, i32 13, i32 29, i32 15, i32 31>
  %low.1 = shufflevector <16 x float> %load.2, <16 x float> %load.3, <16 x i32> <i32 0, i32 16, i32 2, i32 18, i32 4, i32 20, i32 6, i32 22, i32 8, i32 24, i32 10, i32 26, i32 12, i32 28, i32 14, i32 30>
  %high.1 = shufflevector <16 x float> %load.2, <16 x float> %load.3, <16 x i32> <i32 1, i32 17, i32 3, i32 19, i32 5, i32 21, i32 7, i32 23, i32 9, i32 25, i32 11, i32 27, i32 13, i32 29, i32 15, i32 31>
  %low.2 = shufflevector <16 x float> %load.4, <16 x float> %load.5, <16 x i32> <i32 0, i32 16, i32 2, i32 18, i32 4, i32 20, i32 6, i32 22, i32 8, i32 24, i32 10, i32 26, i32 12, i32 28, i32 14, i32 30>
  %high.2 = shufflevector <16 x float> %load.4, <16 x float> %load.5, <16 x i32> <i32 1, i32 17, i32 3, i32 19, i32 5, i32 21, i32 7, i32 23, i32 9, i32 25, i32 11, i32 27, i32 13, i32 29, i32 15, i32 31>
  %low.3 = shufflevector <16 x float> %load.6, <16 x float> %load.7, <16 x i32> <i32 0, i32 16, i32 2, i32 18, i32 4, i32 20, i32 6, i32 22, i32 8, i32 24, i32 10, i32 26, i32 12, i32 28, i32 14, i32 30>
  %high.3 = shufflevector <16 x float> %load.6, <16 x float> %load.7, <16 x i32> <i32 1, i32 17, i32 3, i32 19, i32 5, i32 21, i32 7, i32 23, i32 9, i32 25, i32 11, i32 27, i32 13, i32 29, i32 15, i32 31>
  %low.4 = shufflevector <16 x float> %low, <16 x float> %low.1, <16 x i32> <i32 0, i32 1, i32 16, i32 17, i32 4, i32 5, i32 20, i32 21, i32 8, i32 9, i32 24, i32 25, i32 12, i32 13, i32 28, i32 29>
  %high.4 = shufflevector <16 x float> %low, <16 x float> %low.1, <16 x i32> <i32 2, i32 3, i32 18, i32 19, i32 6, i32 7, i32 22, i32 23, i32 10, i32 11, i32 26, i32 27, i32 14, i32 15, i32 30, i32 31>
  %low.5 = shufflevector <16 x float> %high, <16 x float> %high.1, <16 x i32> <i32 0, i32 1, i32 16, i32 17, i32 4, i32 5, i32 20, i32 21, i32 8, i32 9, i32 24, i32 25, i32 12, i32 13, i32 28, i32 29>
  %high.5 = shufflevector <16 x float> %high, <16 x float> %high.1, <16 x i32> <i32 2, i32 3, i32 18, i32 19, i32 6, i32 7, i32 22, i32 23, i32 10, i32 11, i32 26, i32 27, i32 14, i32 15, i32 30, i32 31>
  %low.6 = shufflevector <16 x float> %low.2, <16 x float> %low.3, <16 x i32> <i32 0, i32 1, i32 16, i32 17, i32 4, i32 5, i32 20, i32 21, i32 8, i32 9, i32 24, i32 25, i32 12, i32 13, i32 28, i32 29>
  %high.6 = shufflevector <16 x float> %low.2, <16 x float> %low.3, <16 x i32> <i32 2, i32 3, i32 18, i32 19, i32 6, i32 7, i32 22, i32 23, i32 10, i32 11, i32 26, i32 27, i32 14, i32 15, i32 30, i32 31>
  %low.7 = shufflevector <16 x float> %high.2, <16 x float> %high.3, <16 x i32> <i32 0, i32 1, i32 16, i32 17, i32 4, i32 5, i32 20, i32 21, i32 8, i32 9, i32 24, i32 25, i32 12, i32 13, i32 28, i32 29>
  %high.7 = shufflevector <16 x float> %high.2, <16 x float> %high.3, <16 x i32> <i32 2, i32 3, i32 18, i32 19, i32 6, i32 7, i32 22, i32 23, i32 10, i32 11, i32 26, i32 27, i32 14, i32 15, i32 30, i32 31>
  %low.8 = shufflevector <16 x float> %low.4, <16 x float> %low.6, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 16, i32 17, i32 18, i32 19, i32 8, i32 9, i32 10, i32 11, i32 24, i32 25, i32 26, i32 27>
  %high.8 = shufflevector <16 x float> %low.4, <16 x float> %low.6, <16 x i32> <i32 4, i32 5, i32 6, i32 7, i32 20, i32 21, i32 22, i32 23, i32 12, i32 13, i32 14, i32 15, i32 28, i32 29, i32 30, i32 31>
  %low.9 = shufflevector <16 x float> %low.5, <16 x float> %low.7, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 16, i32 17, i32 18, i32 19, i32 8, i32 9, i32 10, i32 11, i32 24, i32 25, i32 26, i32 27>
  %high.9 = shufflevector <16 x float> %low.5, <16 x float> %low.7, <16 x i32> <i32 4, i32 5, i32 6, i32 7, i32 20, i32 21, i32 22, i32 23, i32 12, i32 13, i32 14, i32 15, i32 28, i32 29, i32 30, i32 31>
  %low.10 = shufflevector <16 x float> %high.4, <16 x float> %high.6, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 16, i32 17, i32 18, i32 19, i32 8, i32 9, i32 10, i32 11, i32 24, i32 25, i32 26, i32 27>
  %high.10 = shufflevector <16 x float> %high.4, <16 x float> %high.6, <16 x i32> <i32 4, i32 5, i32 6, i32 7, i32 20, i32 21, i32 22, i32 23, i32 12, i32 13, i32 14, i32 15, i32 28, i32 29, i32 30, i32 31>
  %low.11 = shufflevector <16 x float> %high.5, <16 x float> %high.7, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 16, i32 17, i32 18, i32 19, i32 8, i32 9, i32 10, i32 11, i32 24, i32 25, i32 26, i32 27>
  %high.11 = shufflevector <16 x float> %high.5, <16 x float> %high.7, <16 x i32> <i32 4, i32 5, i32 6, i32 7, i32 20, i32 21, i32 22, i32 23, i32 12, i32 13, i32 14, i32 15, i32 28, i32 29, i32 30, i32 31>
  %low.12 = shufflevector <16 x float> %low.8, <16 x float> poison, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23>
  %high.12 = shufflevector <16 x float> %low.8, <16 x float> poison, <16 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %low.13 = shufflevector <16 x float> %low.9, <16 x float> poison, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23>
  %high.13 = shufflevector <16 x float> %low.9, <16 x float> poison, <16 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %low.14 = shufflevector <16 x float> %low.10, <16 x float> poison, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23>
  %high.14 = shufflevector <16 x float> %low.10, <16 x float> poison, <16 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %low.15 = shufflevector <16 x float> %low.11, <16 x float> poison, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23>
  %high.15 = shufflevector <16 x float> %low.11, <16 x float> poison, <16 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %low.16 = shufflevector <16 x float> %high.8, <16 x float> poison, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23>
  %high.16 = shufflevector <16 x float> %high.8, <16 x float> poison, <16 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %low.17 = shufflevector <16 x float> %high.9, <16 x float> poison, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23>
  %high.17 = shufflevector <16 x float> %high.9, <16 x float> poison, <16 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %low.18 = shufflevector <16 x float> %high.10, <16 x float> poison, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23>
  %high.18 = shufflevector <16 x float> %high.10, <16 x float> poison, <16 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %low.19 = shufflevector <16 x float> %high.11, <16 x float> poison, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23>
  %high.19 = shufflevector <16 x float> %high.11, <16 x float> poison, <16 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %shuffle = shufflevector <16 x float> %low.12, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.1 = shufflevector <16 x float> %low.13, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.2 = shufflevector <16 x float> %low.14, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.3 = shufflevector <16 x float> %low.15, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.4 = shufflevector <16 x float> %low.16, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.5 = shufflevector <16 x float> %low.17, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.6 = shufflevector <16 x float> %low.18, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.7 = shufflevector <16 x float> %low.19, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.8 = shufflevector <16 x float> %high.12, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.9 = shufflevector <16 x float> %high.13, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.10 = shufflevector <16 x float> %high.14, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.11 = shufflevector <16 x float> %high.15, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.12 = shufflevector <16 x float> %high.16, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.13 = shufflevector <16 x float> %high.17, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.14 = shufflevector <16 x float> %high.18, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %shuffle.15 = shufflevector <16 x float> %high.19, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %by.1 = mul i64 %by, 6
  %address.8 = getelementptr float, ptr %arg1, i64 %by.1
  %inside.16 = icmp ult i64 %by, 20
  %bound.8 = select i1 %inside.16, i64 6, i64 0
  %indices.8 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.16 = insertelement <8 x i64> poison, i64 %bound.8, i64 0
  %splat.16 = shufflevector <8 x i64> %lane.16, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.17 = icmp ult <8 x i64> %indices.8, %splat.16
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle, ptr %address.8, i32 8, <8 x i1> %inside.17)
  %at = add i64 %by, 1
  %inside.18 = icmp ult i64 %at, 20
  %bound.9 = select i1 %inside.18, i64 6, i64 0
  %indices.9 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.17 = insertelement <8 x i64> poison, i64 %bound.9, i64 0
  %splat.17 = shufflevector <8 x i64> %lane.17, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.19 = icmp ult <8 x i64> %indices.9, %splat.17
  %address.9 = getelementptr float, ptr %address.8, i64 6
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.1, ptr %address.9, i32 8, <8 x i1> %inside.19)
  %at.1 = add i64 %by, 2
  %inside.20 = icmp ult i64 %at.1, 20
  %bound.10 = select i1 %inside.20, i64 6, i64 0
  %indices.10 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.18 = insertelement <8 x i64> poison, i64 %bound.10, i64 0
  %splat.18 = shufflevector <8 x i64> %lane.18, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.21 = icmp ult <8 x i64> %indices.10, %splat.18
  %address.10 = getelementptr float, ptr %address.8, i64 12
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.2, ptr %address.10, i32 8, <8 x i1> %inside.21)
  %at.2 = add i64 %by, 3
  %inside.22 = icmp ult i64 %at.2, 20
  %bound.11 = select i1 %inside.22, i64 6, i64 0
  %indices.11 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.19 = insertelement <8 x i64> poison, i64 %bound.11, i64 0
  %splat.19 = shufflevector <8 x i64> %lane.19, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.23 = icmp ult <8 x i64> %indices.11, %splat.19
  %address.11 = getelementptr float, ptr %address.8, i64 18
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.3, ptr %address.11, i32 8, <8 x i1> %inside.23)
  %at.3 = add i64 %by, 4
  %inside.24 = icmp ult i64 %at.3, 20
  %bound.12 = select i1 %inside.24, i64 6, i64 0
  %indices.12 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.20 = insertelement <8 x i64> poison, i64 %bound.12, i64 0
  %splat.20 = shufflevector <8 x i64> %lane.20, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.25 = icmp ult <8 x i64> %indices.12, %splat.20
  %address.12 = getelementptr float, ptr %address.8, i64 24
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.4, ptr %address.12, i32 8, <8 x i1> %inside.25)
  %at.4 = add i64 %by, 5
  %inside.26 = icmp ult i64 %at.4, 20
  %bound.13 = select i1 %inside.26, i64 6, i64 0
  %indices.13 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.21 = insertelement <8 x i64> poison, i64 %bound.13, i64 0
  %splat.21 = shufflevector <8 x i64> %lane.21, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.27 = icmp ult <8 x i64> %indices.13, %splat.21
  %address.13 = getelementptr float, ptr %address.8, i64 30
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.5, ptr %address.13, i32 8, <8 x i1> %inside.27)
  %at.5 = add i64 %by, 6
  %inside.28 = icmp ult i64 %at.5, 20
  %bound.14 = select i1 %inside.28, i64 6, i64 0
  %indices.14 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.22 = insertelement <8 x i64> poison, i64 %bound.14, i64 0
  %splat.22 = shufflevector <8 x i64> %lane.22, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.29 = icmp ult <8 x i64> %indices.14, %splat.22
  %address.14 = getelementptr float, ptr %address.8, i64 36
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.6, ptr %address.14, i32 8, <8 x i1> %inside.29)
  %at.6 = add i64 %by, 7
  %inside.30 = icmp ult i64 %at.6, 20
  %bound.15 = select i1 %inside.30, i64 6, i64 0
  %indices.15 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.23 = insertelement <8 x i64> poison, i64 %bound.15, i64 0
  %splat.23 = shufflevector <8 x i64> %lane.23, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.31 = icmp ult <8 x i64> %indices.15, %splat.23
  %address.15 = getelementptr float, ptr %address.8, i64 42
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.7, ptr %address.15, i32 8, <8 x i1> %inside.31)
  %at.7 = add i64 %by, 8
  %inside.32 = icmp ult i64 %at.7, 20
  %bound.16 = select i1 %inside.32, i64 6, i64 0
  %indices.16 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.24 = insertelement <8 x i64> poison, i64 %bound.16, i64 0
  %splat.24 = shufflevector <8 x i64> %lane.24, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.33 = icmp ult <8 x i64> %indices.16, %splat.24
  %address.16 = getelementptr float, ptr %address.8, i64 48
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.8, ptr %address.16, i32 8, <8 x i1> %inside.33)
  %at.8 = add i64 %by, 9
  %inside.34 = icmp ult i64 %at.8, 20
  %bound.17 = select i1 %inside.34, i64 6, i64 0
  %indices.17 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.25 = insertelement <8 x i64> poison, i64 %bound.17, i64 0
  %splat.25 = shufflevector <8 x i64> %lane.25, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.35 = icmp ult <8 x i64> %indices.17, %splat.25
  %address.17 = getelementptr float, ptr %address.8, i64 54
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.9, ptr %address.17, i32 8, <8 x i1> %inside.35)
  %at.9 = add i64 %by, 10
  %inside.36 = icmp ult i64 %at.9, 20
  %bound.18 = select i1 %inside.36, i64 6, i64 0
  %indices.18 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.26 = insertelement <8 x i64> poison, i64 %bound.18, i64 0
  %splat.26 = shufflevector <8 x i64> %lane.26, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.37 = icmp ult <8 x i64> %indices.18, %splat.26
  %address.18 = getelementptr float, ptr %address.8, i64 60
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.10, ptr %address.18, i32 8, <8 x i1> %inside.37)
  %at.10 = add i64 %by, 11
  %inside.38 = icmp ult i64 %at.10, 20
  %bound.19 = select i1 %inside.38, i64 6, i64 0
  %indices.19 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.27 = insertelement <8 x i64> poison, i64 %bound.19, i64 0
  %splat.27 = shufflevector <8 x i64> %lane.27, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.39 = icmp ult <8 x i64> %indices.19, %splat.27
  %address.19 = getelementptr float, ptr %address.8, i64 66
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.11, ptr %address.19, i32 8, <8 x i1> %inside.39)
  %at.11 = add i64 %by, 12
  %inside.40 = icmp ult i64 %at.11, 20
  %bound.20 = select i1 %inside.40, i64 6, i64 0
  %indices.20 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.28 = insertelement <8 x i64> poison, i64 %bound.20, i64 0
  %splat.28 = shufflevector <8 x i64> %lane.28, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.41 = icmp ult <8 x i64> %indices.20, %splat.28
  %address.20 = getelementptr float, ptr %address.8, i64 72
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.12, ptr %address.20, i32 8, <8 x i1> %inside.41)
  %at.12 = add i64 %by, 13
  %inside.42 = icmp ult i64 %at.12, 20
  %bound.21 = select i1 %inside.42, i64 6, i64 0
  %indices.21 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.29 = insertelement <8 x i64> poison, i64 %bound.21, i64 0
  %splat.29 = shufflevector <8 x i64> %lane.29, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.43 = icmp ult <8 x i64> %indices.21, %splat.29
  %address.21 = getelementptr float, ptr %address.8, i64 78
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.13, ptr %address.21, i32 8, <8 x i1> %inside.43)
  %at.13 = add i64 %by, 14
  %inside.44 = icmp ult i64 %at.13, 20
  %bound.22 = select i1 %inside.44, i64 6, i64 0
  %indices.22 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.30 = insertelement <8 x i64> poison, i64 %bound.22, i64 0
  %splat.30 = shufflevector <8 x i64> %lane.30, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.45 = icmp ult <8 x i64> %indices.22, %splat.30
  %address.22 = getelementptr float, ptr %address.8, i64 84
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.14, ptr %address.22, i32 8, <8 x i1> %inside.45)
  %at.14 = add i64 %by, 15
  %inside.46 = icmp ult i64 %at.14, 20
  %bound.23 = select i1 %inside.46, i64 6, i64 0
  %indices.23 = add <8 x i64> splat (i64 0), <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %lane.31 = insertelement <8 x i64> poison, i64 %bound.23, i64 0
  %splat.31 = shufflevector <8 x i64> %lane.31, <8 x i64> poison, <8 x i32> zeroinitializer
  %inside.47 = icmp ult <8 x i64> %indices.23, %splat.31
  %address.23 = getelementptr float, ptr %address.8, i64 90
  call void @llvm.masked.store.v8f32.p0(<8 x float> %shuffle.15, ptr %address.23, i32 8, <8 x i1> %inside.47)
  ret void
}

define internal void @kernel.run(ptr %arg0, ptr %arg1, i64 %worker, i64 %workers, ptr %barrier) noinline nounwind {
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
  call void @kernel.item(ptr %arg0, ptr %arg1, i64 %item, i64 2, i64 %workers, ptr %barrier)
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
