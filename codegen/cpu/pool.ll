; The native side of running a CPU plan: worker pool, barrier, and the loop over a program's launches.
; An object of its own in every plan. docs/plan.md ("CPU ABI") gives the layouts; runtime/cpu_pool.py is the caller.
;
; The caller's thread is worker 0. Workers 1 to N-1 are threads that call @kw_worker once and stay in it: they wait for the
; generation to change, spinning for a while and then sleeping in the kernel, so an idle pool takes no processor time.
;
; Every wait pauses at first and yields later. The text is for x86-64; pool.py replaces the intrinsic for AArch64.

; The words that different threads write are on cache lines of their own.
%barrier = type { i32, [60 x i8], i32, [60 x i8] }  ; arrived, phase
%pool = type {
  i32, [60 x i8],      ; 0  generation: the number of runs started
  i32, [60 x i8],      ; 2  remaining: workers still in the run
  %barrier,            ; 4  for the entry to use between its phases
  i32, i32, i32, i32,  ; 5  sleepers, 6 stop, 7 workers, 8 spins before sleeping
  i64,                 ; 9  the number of the futex system call
  ptr, ptr, ptr, i64   ; 10 entry, 11 buffers, 12 symbols of the run, 13 how many workers take part in it
}
%record = type { ptr, i64, i64, ptr, ptr }          ; function, flags, buffer count, buffer indices (i32), scalars (i64)
%program = type { i64, i64, ptr, ptr }              ; record count, widest buffer count, symbols, stamps or null; then the records

declare i32 @sched_yield()
declare i64 @syscall(i64, ...)
declare i32 @clock_gettime(i32, ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.x86.sse2.pause()
declare i64 @llvm.umin.i64(i64, i64)

; One turn of a wait: a pause while the wait is young, then the rest of the time slice to whoever may be holding us up.
define internal void @relax(i32 %turn) {
  %young = icmp ult i32 %turn, 1024
  br i1 %young, label %pause, label %yield
pause:
  call void @llvm.x86.sse2.pause()
  ret void
yield:
  %ignored = call i32 @sched_yield()
  ret void
}

; Bytes of memory, zeroed and aligned to 64, that a pool needs.
define i64 @kw_pool_bytes() {
  %end = getelementptr %pool, ptr null, i64 1
  %bytes = ptrtoint ptr %end to i64
  ret i64 %bytes
}

; Prepare zeroed memory as a pool. No other thread may hold it.
define void @kw_pool_init(ptr %pool, i64 %workers, i64 %spins, i64 %futex) {
  %workers.at = getelementptr %pool, ptr %pool, i64 0, i32 7
  %workers32 = trunc i64 %workers to i32
  store i32 %workers32, ptr %workers.at
  %spins.at = getelementptr %pool, ptr %pool, i64 0, i32 8
  %spins32 = trunc i64 %spins to i32
  store i32 %spins32, ptr %spins.at
  %futex.at = getelementptr %pool, ptr %pool, i64 0, i32 9
  store i64 %futex, ptr %futex.at
  ret void
}

; Start a new generation and wake those who sleep. The increment and the load of `sleepers` are sequentially consistent, as
; are their counterparts in @sleep: either we see the sleeper, or the kernel sees the new generation and refuses to sleep.
define internal void @announce(ptr %pool) {
  %generation = getelementptr %pool, ptr %pool, i64 0, i32 0
  %old = atomicrmw add ptr %generation, i32 1 seq_cst
  %sleepers.at = getelementptr %pool, ptr %pool, i64 0, i32 5
  %sleepers = load atomic i32, ptr %sleepers.at seq_cst, align 4
  %none = icmp eq i32 %sleepers, 0
  br i1 %none, label %done, label %wake
wake:
  %futex.at = getelementptr %pool, ptr %pool, i64 0, i32 9
  %futex = load i64, ptr %futex.at
  %ignored = call i64 (i64, ...) @syscall(i64 %futex, ptr %generation, i32 129, i32 2147483647)  ; FUTEX_WAKE_PRIVATE
  br label %done
done:
  ret void
}

; Sleep until the generation is no longer %seen; may also return early.
define internal void @sleep(ptr %pool, i32 %seen) {
  %generation = getelementptr %pool, ptr %pool, i64 0, i32 0
  %sleepers.at = getelementptr %pool, ptr %pool, i64 0, i32 5
  %before = atomicrmw add ptr %sleepers.at, i32 1 seq_cst
  %futex.at = getelementptr %pool, ptr %pool, i64 0, i32 9
  %futex = load i64, ptr %futex.at
  %ignored = call i64 (i64, ...) @syscall(i64 %futex, ptr %generation, i32 128, i32 %seen, ptr null)  ; FUTEX_WAIT_PRIVATE
  %after = atomicrmw sub ptr %sleepers.at, i32 1 seq_cst
  ret void
}

; Wait until the generation is no longer %seen, and return it.
define internal i32 @next_generation(ptr %pool, i32 %seen) {
entry:
  %generation = getelementptr %pool, ptr %pool, i64 0, i32 0
  %spins.at = getelementptr %pool, ptr %pool, i64 0, i32 8
  %spins = load i32, ptr %spins.at
  br label %look
look:
  %turn = phi i32 [ 0, %entry ], [ %turn.next, %spin ], [ %turn, %rest ]
  %now = load atomic i32, ptr %generation acquire, align 4
  %changed = icmp ne i32 %now, %seen
  br i1 %changed, label %done, label %wait
wait:
  %patient = icmp ult i32 %turn, %spins
  br i1 %patient, label %spin, label %rest
spin:
  call void @relax(i32 %turn)
  %turn.next = add i32 %turn, 1
  br label %look
rest:
  call void @sleep(ptr %pool, i32 %seen)
  br label %look
done:
  ret i32 %now
}

; The life of worker number %worker: take part in every run until the pool stops.
define void @kw_worker(ptr %pool, i64 %worker) {
entry:
  %remaining = getelementptr %pool, ptr %pool, i64 0, i32 2
  %barrier = getelementptr %pool, ptr %pool, i64 0, i32 4
  %stop.at = getelementptr %pool, ptr %pool, i64 0, i32 6
  %workers.at = getelementptr %pool, ptr %pool, i64 0, i32 13
  %entry.at = getelementptr %pool, ptr %pool, i64 0, i32 10
  %buffers.at = getelementptr %pool, ptr %pool, i64 0, i32 11
  %symbols.at = getelementptr %pool, ptr %pool, i64 0, i32 12
  br label %next
next:
  %seen = phi i32 [ 0, %entry ], [ %now, %through ]
  %now = call i32 @next_generation(ptr %pool, i32 %seen)
  %stop = load atomic i32, ptr %stop.at acquire, align 4
  %stopped = icmp ne i32 %stop, 0
  br i1 %stopped, label %done, label %join
join:
  %workers = load i64, ptr %workers.at
  %wanted = icmp ult i64 %worker, %workers
  br i1 %wanted, label %run, label %through
run:
  %function = load ptr, ptr %entry.at
  %buffers = load ptr, ptr %buffers.at
  %symbols = load ptr, ptr %symbols.at
  call void %function(ptr %buffers, ptr %symbols, i64 %worker, i64 %workers, ptr %barrier)
  br label %through
through:
  %ignored = atomicrmw sub ptr %remaining, i32 1 release
  br label %next
done:
  ret void
}

; Run %function on the first %workers workers, this thread being worker 0, and return when all are through. With one
; worker the others are left asleep. One run at a time: the caller holds a lock.
define void @kw_run(ptr %pool, ptr %function, ptr %buffers, ptr %symbols, i64 %workers) {
entry:
  %remaining = getelementptr %pool, ptr %pool, i64 0, i32 2
  %barrier = getelementptr %pool, ptr %pool, i64 0, i32 4
  %alone = icmp ult i64 %workers, 2
  br i1 %alone, label %work, label %share
share:
  %entry.at = getelementptr %pool, ptr %pool, i64 0, i32 10
  store ptr %function, ptr %entry.at
  %buffers.at = getelementptr %pool, ptr %pool, i64 0, i32 11
  store ptr %buffers, ptr %buffers.at
  %symbols.at = getelementptr %pool, ptr %pool, i64 0, i32 12
  store ptr %symbols, ptr %symbols.at
  %workers.at = getelementptr %pool, ptr %pool, i64 0, i32 13
  store i64 %workers, ptr %workers.at
  %threads.at = getelementptr %pool, ptr %pool, i64 0, i32 7
  %threads = load i32, ptr %threads.at
  %others = sub i32 %threads, 1
  store atomic i32 %others, ptr %remaining monotonic, align 4
  call void @announce(ptr %pool)
  br label %work
work:
  call void %function(ptr %buffers, ptr %symbols, i64 0, i64 %workers, ptr %barrier)
  br label %look
look:
  %turn = phi i32 [ 0, %work ], [ %turn.next, %wait ]
  %left = load atomic i32, ptr %remaining acquire, align 4
  %through = icmp eq i32 %left, 0
  br i1 %through, label %done, label %wait
wait:
  call void @relax(i32 %turn)
  %turn.next = add i32 %turn, 1
  br label %look
done:
  ret void
}

; Let every worker return from @kw_worker.
define void @kw_stop(ptr %pool) {
  %stop.at = getelementptr %pool, ptr %pool, i64 0, i32 6
  store atomic i32 1, ptr %stop.at release, align 4
  call void @announce(ptr %pool)
  ret void
}

; Wait until all workers of the run have come here. What one wrote before, all see after.
define void @kw_barrier(ptr %barrier, i64 %workers) {
entry:
  %alone = icmp ult i64 %workers, 2
  br i1 %alone, label %done, label %arrive
arrive:
  %phase.at = getelementptr %barrier, ptr %barrier, i64 0, i32 2
  %phase = load atomic i32, ptr %phase.at acquire, align 4
  %earlier = atomicrmw add ptr %barrier, i32 1 acq_rel
  %workers32 = trunc i64 %workers to i32
  %others = sub i32 %workers32, 1
  %last = icmp eq i32 %earlier, %others
  br i1 %last, label %open, label %look
open:
  store atomic i32 0, ptr %barrier monotonic, align 4
  %next = add i32 %phase, 1
  store atomic i32 %next, ptr %phase.at release, align 4
  ret void
look:
  %turn = phi i32 [ 0, %arrive ], [ %turn.next, %wait ]
  %now = load atomic i32, ptr %phase.at acquire, align 4
  %opened = icmp ne i32 %now, %phase
  br i1 %opened, label %done, label %wait
wait:
  call void @relax(i32 %turn)
  %turn.next = add i32 %turn, 1
  br label %look
done:
  ret void
}

; Worker 0 notes the time, in nanoseconds, at place %index of %stamps.
define internal void @stamp(ptr %stamps, i64 %index, i64 %worker) {
entry:
  %wanted = icmp ne ptr %stamps, null
  %first = icmp eq i64 %worker, 0
  %note = and i1 %wanted, %first
  br i1 %note, label %read, label %done
read:
  %time = alloca { i64, i64 }
  %ignored = call i32 @clock_gettime(i32 1, ptr %time)  ; CLOCK_MONOTONIC
  %seconds = load i64, ptr %time
  %fraction.at = getelementptr { i64, i64 }, ptr %time, i64 0, i32 1
  %fraction = load i64, ptr %fraction.at
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %fraction
  %at = getelementptr i64, ptr %stamps, i64 %index
  store i64 %now, ptr %at
  br label %done
done:
  ret void
}

; An entry that runs the records of a program in order, with a barrier after each. It comes in place of the symbols.
; Flags of a record: 1, the function is an entry (it gets the plan's whole buffer table and the symbols); 2, no barrier
; follows. With stamps, the time before the first and after each record is noted, and every barrier is kept.
define void @kw_program(ptr %buffers, ptr %program, i64 %worker, i64 %workers, ptr %barrier) {
entry:
  %count = load i64, ptr %program
  %widest.at = getelementptr %program, ptr %program, i64 0, i32 1
  %widest = load i64, ptr %widest.at
  %symbols.at = getelementptr %program, ptr %program, i64 0, i32 2
  %symbols = load ptr, ptr %symbols.at
  %stamps.at = getelementptr %program, ptr %program, i64 0, i32 3
  %stamps = load ptr, ptr %stamps.at
  %timed = icmp ne ptr %stamps, null
  %records = getelementptr %program, ptr %program, i64 1
  %table = alloca ptr, i64 %widest
  call void @stamp(ptr %stamps, i64 0, i64 %worker)
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %stamped ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %fetch, label %done
fetch:
  %record = getelementptr %record, ptr %records, i64 %i
  %function = load ptr, ptr %record
  %flags.at = getelementptr %record, ptr %record, i64 0, i32 1
  %flags = load i64, ptr %flags.at
  %whole.bit = and i64 %flags, 1
  %whole = icmp ne i64 %whole.bit, 0
  br i1 %whole, label %run.entry, label %gather
run.entry:
  call void %function(ptr %buffers, ptr %symbols, i64 %worker, i64 %workers, ptr %barrier)
  br label %after
gather:
  %width.at = getelementptr %record, ptr %record, i64 0, i32 2
  %width = load i64, ptr %width.at
  %indices.at = getelementptr %record, ptr %record, i64 0, i32 3
  %indices = load ptr, ptr %indices.at
  br label %pick
pick:
  %k = phi i64 [ 0, %gather ], [ %k.next, %place ]
  %short = icmp ult i64 %k, %width
  br i1 %short, label %place, label %run.kernel
place:
  %index.at = getelementptr i32, ptr %indices, i64 %k
  %index = load i32, ptr %index.at
  %from = getelementptr ptr, ptr %buffers, i32 %index
  %buffer = load ptr, ptr %from
  %to = getelementptr ptr, ptr %table, i64 %k
  store ptr %buffer, ptr %to
  %k.next = add i64 %k, 1
  br label %pick
run.kernel:
  %scalars.at = getelementptr %record, ptr %record, i64 0, i32 4
  %scalars = load ptr, ptr %scalars.at
  call void %function(ptr %table, ptr %scalars, i64 %worker, i64 %workers, ptr %barrier)
  br label %after
after:
  %free.bit = and i64 %flags, 2
  %bound = icmp eq i64 %free.bit, 0
  %meet = or i1 %bound, %timed
  br i1 %meet, label %barrier.here, label %stamp.here
barrier.here:
  call void @kw_barrier(ptr %barrier, i64 %workers)
  br label %stamp.here
stamp.here:
  %i.next = add i64 %i, 1
  call void @stamp(ptr %stamps, i64 %i.next, i64 %worker)
  br label %stamped
stamped:
  br label %next
done:
  ret void
}

; The part of %total items, in whole multiples of %unit, that is worker %worker's: { first, count }.
define internal { i64, i64 } @share(i64 %total, i64 %unit, i64 %worker, i64 %workers) {
  %up = add i64 %total, %workers
  %up1 = sub i64 %up, 1
  %even = udiv i64 %up1, %workers
  %unit1 = sub i64 %unit, 1
  %rounded = add i64 %even, %unit1
  %blocks = udiv i64 %rounded, %unit
  %each = mul i64 %blocks, %unit
  %start = mul i64 %each, %worker
  %first = call i64 @llvm.umin.i64(i64 %start, i64 %total)
  %rest = sub i64 %total, %first
  %count = call i64 @llvm.umin.i64(i64 %rest, i64 %each)
  %a = insertvalue { i64, i64 } poison, i64 %first, 0
  %b = insertvalue { i64, i64 } %a, i64 %count, 1
  ret { i64, i64 } %b
}

; Kernel of a copy step. Buffers: source, destination. Scalars: bytes, source offset, destination offset.
define void @kw_copy(ptr %buffers, ptr %scalars, i64 %worker, i64 %workers, ptr %barrier) {
  %source = load ptr, ptr %buffers
  %target.at = getelementptr ptr, ptr %buffers, i64 1
  %target = load ptr, ptr %target.at
  %bytes = load i64, ptr %scalars
  %source.offset.at = getelementptr i64, ptr %scalars, i64 1
  %source.offset = load i64, ptr %source.offset.at
  %target.offset.at = getelementptr i64, ptr %scalars, i64 2
  %target.offset = load i64, ptr %target.offset.at
  %mine = call { i64, i64 } @share(i64 %bytes, i64 4096, i64 %worker, i64 %workers)
  %first = extractvalue { i64, i64 } %mine, 0
  %count = extractvalue { i64, i64 } %mine, 1
  %from0 = getelementptr i8, ptr %source, i64 %source.offset
  %from = getelementptr i8, ptr %from0, i64 %first
  %to0 = getelementptr i8, ptr %target, i64 %target.offset
  %to = getelementptr i8, ptr %to0, i64 %first
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %count, i1 false)
  ret void
}

; Kernel of a fill step. Buffer: destination. Scalars: bytes, and eight bytes that hold one or more whole elements.
define void @kw_fill(ptr %buffers, ptr %scalars, i64 %worker, i64 %workers, ptr %barrier) {
entry:
  %target = load ptr, ptr %buffers
  %bytes = load i64, ptr %scalars
  %pattern.at = getelementptr i64, ptr %scalars, i64 1
  %pattern = load i64, ptr %pattern.at
  %mine = call { i64, i64 } @share(i64 %bytes, i64 4096, i64 %worker, i64 %workers)
  %first = extractvalue { i64, i64 } %mine, 0
  %count = extractvalue { i64, i64 } %mine, 1
  %from = getelementptr i8, ptr %target, i64 %first
  %words = udiv i64 %count, 8
  br label %word
word:
  %i = phi i64 [ 0, %entry ], [ %i.next, %word.store ]
  %more = icmp ult i64 %i, %words
  br i1 %more, label %word.store, label %tail
word.store:
  %at = getelementptr i64, ptr %from, i64 %i
  store i64 %pattern, ptr %at, align 1
  %i.next = add i64 %i, 1
  br label %word
tail:
  %done.bytes = mul i64 %words, 8
  %rest = sub i64 %count, %done.bytes
  %end = getelementptr i8, ptr %from, i64 %done.bytes
  call void @llvm.memcpy.p0.p0.i64(ptr %end, ptr %pattern.at, i64 %rest, i1 false)
  ret void
}
