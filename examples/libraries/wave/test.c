#include "wave.h"

#include <string.h>

int main(void)
{
    return strcmp(wave_text(3, 4), "~_~_~");
}
