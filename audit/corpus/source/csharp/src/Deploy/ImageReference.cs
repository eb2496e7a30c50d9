using System;
using System.Diagnostics;

namespace Chamois.Deploy
{
    /// <summary>An image such as gcr.io/chamois/web.</summary>
    public sealed class ImageReference
    {
        public const string DefaultHost = "eu.gcr.io";
        private const string Windows = @"gcr.io/chamois-build/windows-base";

        public static string For(string project, string name) => $"us.gcr.io/{project}/{name}";

        public static void Push(string image)
        {
            Console.WriteLine("Pushing to gcr.io: " + image);
            var start = new ProcessStartInfo("docker", $"push {image}") { WorkingDirectory = @"C:\src\gcr" };
            using var process = Process.Start(start) ?? throw new InvalidOperationException("docker not found, cannot push to gcr.io");
            process.WaitForExit();
        }

        // var legacy = "gcr.io/chamois-old/web";
        public static bool IsOurs(string image) => image.StartsWith("gcr.io/chamois", StringComparison.Ordinal);
    }
}
