package kittiwake.java;

import java.time.Instant;
import java.util.List;
import java.util.Map;

/** Records to write as JSON, the twins of the Kotlin classes in JacksonCodecSpec. */
public final class Shapes {
    public enum Tint {
        NONE,
        WARM,
        COLD
    }

    public record Point(int x, int y) {}

    public record Picture(
            long id,
            String title,
            double scale,
            boolean isPublic,
            Tint tint,
            List<Point> points,
            Map<String, String> labels) {}

    public record Nothing() {}

    public record Timed(Instant at) {}

    public static final class Chain {
        public Chain next;
    }

    private Shapes() {}

    static Picture of(KotlinPicture kotlin) {
        List<Point> points = kotlin.getPoints().stream()
                .map(point -> new Point(point.getX(), point.getY()))
                .toList();
        return new Picture(
                kotlin.getId(),
                kotlin.getTitle(),
                kotlin.getScale(),
                kotlin.isPublic(),
                kotlin.getTint(),
                points,
                kotlin.getLabels());
    }
}
