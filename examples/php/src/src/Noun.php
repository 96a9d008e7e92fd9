<?php

declare(strict_types=1);

namespace Plural;

final class Noun
{
    private const IRREGULAR = ['goose' => 'geese', 'mouse' => 'mice', 'child' => 'children'];

    public static function plural(string $word): string
    {
        $plain = mb_strtolower($word);
        return self::IRREGULAR[$plain] ?? match (true) {
            preg_match('/(?:s|x|z|ch|sh)$/', $plain) === 1 => "{$word}es",
            preg_match('/[^aeiou]y$/', $plain) === 1 => mb_substr($word, 0, -1) . 'ies',
            default => "{$word}s",
        };
    }
}
