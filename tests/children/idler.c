/* SPDX-License-Identifier: MIT-0 */

/*
 * idler [ANYTHING]...
 *
 * Waits for a signal. As the interpreter of a script ("#!idler WORD") it shows among its arguments
 * which script it was, and as which it was written, from its exec on.
 */

#include <unistd.h>

int main(void) {
        for (;;)
                pause();
}
