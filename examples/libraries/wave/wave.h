#pragma once

/* The text of a wave as long as the third side of a triangle with a right angle; the caller frees it. */
char *wave_text(double a, double b);
