// The process's heap, kept small: a board with 1 GB runs pods beside us. Wraps what glibc offers; elsewhere it does nothing.
#pragma once

namespace bramble {

// Once, before threads begin. Large blocks (a LIST's text, a body) are mapped and go back to the kernel when they are freed;
// left alone, glibc would serve them from the heap after the first one, and keep them.
void keep_heap_small();

// Gives back the free pages that lie between used ones: what many connections leave behind. Some milliseconds; any thread.
void give_back_free_heap();

}  // namespace bramble
