import java.math.BigInteger;

/** Print the prime factors of numbers. */
public final class Primes {
    public static void main(String[] words) {
        for (String word : words) {
            System.out.println(word + ":" + factors(new BigInteger(word)));
        }
    }

    private static String factors(BigInteger rest) {
        StringBuilder found = new StringBuilder();
        for (BigInteger prime = BigInteger.TWO; rest.compareTo(BigInteger.ONE) > 0; prime = prime.nextProbablePrime()) {
            while (rest.mod(prime).signum() == 0) {
                found.append(' ').append(prime);
                rest = rest.divide(prime);
            }
        }
        return found.toString();
    }
}
